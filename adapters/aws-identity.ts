/** Keys that requests are signed with. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** Who a function is towards AWS, and where its services answer. */
export interface AwsIdentity {
  region(): Promise<string>;
  credentials(): Promise<AwsCredentials>;
  /** @param dns what a service's public name begins with, as in s3 */
  endpoint(dns: string): URL;
  /** Whether the services answer under a name that was set, which has no names for buckets. */
  readonly elsewhere: (dns: string) => boolean;
}

/** The identity that Lambda gives a function by variables of its environment. */
export function functionIdentity(
  variables: Readonly<Record<string, string | undefined>>,
): AwsIdentity {
  const needed = (name: string): string => {
    const value = variables[name];
    if (value) return value;
    throw new Error(`the variable ${name} is not set; Lambda sets it for every function`);
  };
  const configured = (dns: string) =>
    variables[`AWS_ENDPOINT_URL_${dns.toUpperCase()}`] || variables['AWS_ENDPOINT_URL'];
  return {
    region: async () => needed('AWS_REGION'),
    credentials: async () => {
      const sessionToken = variables['AWS_SESSION_TOKEN'];
      return {
        accessKeyId: needed('AWS_ACCESS_KEY_ID'),
        secretAccessKey: needed('AWS_SECRET_ACCESS_KEY'),
        ...(sessionToken && { sessionToken }),
      };
    },
    endpoint: (dns) => {
      const region = needed('AWS_REGION');
      const suffix = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
      return new URL(configured(dns) ?? `https://${dns}.${region}.${suffix}`);
    },
    elsewhere: (dns) => configured(dns) !== undefined,
  };
}
