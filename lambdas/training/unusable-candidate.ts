import { keyPrefix } from '../../adapters/s3-uri.ts';

/** What the pipeline handed over cannot be evaluated at all; the run fails. */
export class UnusableCandidateError extends Error {
  override readonly name = 'UnusableCandidateError';
}

/** The key prefix of an S3 URI that must lie in the bucket. @throws UnusableCandidateError */
export function prefixIn(bucket: string, uri: string): string {
  const prefix = keyPrefix(bucket, uri);
  if (prefix !== undefined) return prefix;
  throw new UnusableCandidateError(
    `${uri} does not lie in s3://${bucket}/; pass a URI of that bucket`,
  );
}
