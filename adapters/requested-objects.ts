import type { AwsService } from './aws-requests.ts';
import { translateObjectError } from './object-errors.ts';

const encoded = (part: string): string =>
  encodeURIComponent(part).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );

/**
 * The objects of one bucket, to read, for a function that does without the SDK. It throws what s3Objects throws.
 */
export const requestedObjects = (bucket: string, s3: AwsService) => ({
  async get(key: string): Promise<Buffer> {
    const path = `/${key.split('/').map(encoded).join('/')}`;
    try {
      return await s3({ method: 'GET', bucket, path });
    } catch (error) {
      throw translateObjectError(error, 'read', bucket, key);
    }
  },
});
