"""CopyObject honours If-None-Match and If-Match, and computes and returns the checksum it is asked for."""

from xml.etree.ElementTree import Element, SubElement, tostring

from ministack.services import s3

_ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")


def install() -> None:
    """Wrap `s3._copy_object`."""
    copy = s3._copy_object
    check = s3._check_put_preconditions

    def copy_as_aws(bucket_name, key, headers):
        bucket = s3._ensure_bucket(bucket_name)
        if bucket is not None:
            refusal = check(headers, bucket.get("objects", {}).get(key))
            if refusal:
                return refusal
        # A copy names its algorithm in another header than a put, and MiniStack reads the put's.
        algorithm = headers.get("x-amz-checksum-algorithm")
        if algorithm:
            headers = {**headers, "x-amz-sdk-checksum-algorithm": algorithm}
        status, answered, body = copy(bucket_name, key, headers)
        if status == 200:
            body = _result(bucket["objects"][key])
        return status, answered, body

    s3._copy_object = copy_as_aws


def _result(copied: dict) -> bytes:
    root = Element("CopyObjectResult", xmlns=s3.S3_NS)
    SubElement(root, "LastModified").text = copied["last_modified"]
    SubElement(root, "ETag").text = copied["etag"]
    for algorithm, value in (copied.get("checksums") or {}).items():
        if algorithm.upper() in _ALGORITHMS:
            SubElement(root, f"Checksum{algorithm.upper()}").text = value
    return s3.XML_DECL + b"\n" + tostring(root)
