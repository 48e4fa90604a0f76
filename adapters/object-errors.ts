/** There is no such object, or no such version of it. */
export class ObjectNotFoundError extends Error {
  override readonly name = 'ObjectNotFoundError';
  readonly key: string;

  constructor(bucket: string, key: string, options?: ErrorOptions) {
    super(`s3://${bucket}/${key} does not exist; put the object there or correct its key`, options);
    this.key = key;
  }
}

/** S3 refused or failed; the cause is S3's error. */
export class ObjectStoreError extends Error {
  override readonly name = 'ObjectStoreError';
}

const missing = new Set(['NoSuchKey', 'NotFound', 'NoSuchVersion']);

/** HTTP's status of an error of the SDK or of a request without it; undefined where there was no reply. */
function statusOf(error: Error): number | undefined {
  const { $metadata, status } = error as {
    $metadata?: { httpStatusCode?: number };
    status?: number;
  };
  return $metadata?.httpStatusCode ?? status;
}

/** S3's error in the words of whoever uses the bucket. */
export function translateObjectError(
  error: unknown,
  operation: string,
  bucket: string,
  key: string,
): Error {
  if (!(error instanceof Error)) return new ObjectStoreError(String(error));
  const status = statusOf(error);
  // 405: the version asked for is a delete marker.
  if (missing.has(error.name) || (operation === 'read' && status === 405)) {
    return new ObjectNotFoundError(bucket, key, { cause: error });
  }
  const detail = [error.name, status, error.message].filter(Boolean).join(' ');
  return new ObjectStoreError(`could not ${operation} s3://${bucket}/${key}: ${detail}`, {
    cause: error,
  });
}
