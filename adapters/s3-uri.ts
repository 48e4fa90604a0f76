/** The key prefix, ending in a slash, that an S3 URI names; undefined where it lies in another bucket. */
export function keyPrefix(bucket: string, uri: string): string | undefined {
  const start = `s3://${bucket}/`;
  return uri.startsWith(start) ? `${uri.slice(start.length).replace(/\/+$/, '')}/` : undefined;
}
