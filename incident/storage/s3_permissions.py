"""Which IAM permissions a request needs, so that whoever is refused knows what to ask for."""

from __future__ import annotations

import re

_NAMED = re.compile(r"perform: ([a-z0-9-]+:\w+)")

_ACTIONS: dict[str, tuple[str, ...]] = {
    "AbortMultipartUpload": ("s3:AbortMultipartUpload",),
    "CompleteMultipartUpload": ("s3:PutObject",),
    "CopyObject": ("s3:GetObjectVersion", "s3:GetObjectVersionTagging", "s3:PutObject", "s3:PutObjectTagging"),
    "CreateJob": ("s3:CreateJob", "iam:PassRole on batch_role"),
    "CreateMultipartUpload": ("s3:PutObject", "s3:PutObjectTagging"),
    "DeleteObject": ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    "DeleteObjects": ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    "DescribeJob": ("s3:DescribeJob",),
    "GetBucketAcl": ("s3:GetBucketAcl",),
    "GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
    "GetBucketLifecycleConfiguration": ("s3:GetLifecycleConfiguration",),
    "GetBucketOwnershipControls": ("s3:GetBucketOwnershipControls",),
    "GetBucketReplication": ("s3:GetReplicationConfiguration",),
    "GetBucketRequestPayment": ("s3:GetBucketRequestPayment",),
    "GetBucketVersioning": ("s3:GetBucketVersioning",),
    "GetObject": ("s3:GetObject", "s3:GetObjectVersion"),
    "GetObjectAcl": ("s3:GetObjectAcl", "s3:GetObjectVersionAcl"),
    "GetObjectLockConfiguration": ("s3:GetBucketObjectLockConfiguration",),
    "GetObjectTagging": ("s3:GetObjectTagging", "s3:GetObjectVersionTagging"),
    "HeadObject": ("s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"),
    "ListMultipartUploads": ("s3:ListBucketMultipartUploads",),
    "ListObjectVersions": ("s3:ListBucketVersions",),
    "ListObjectsV2": ("s3:ListBucket",),
    "PutObject": ("s3:PutObject",),
    "UploadPartCopy": ("s3:GetObjectVersion", "s3:PutObject"),
}
"""By the name of the request in S3's API."""


def needed(operation: str, message: str = "") -> str:
    """The permissions for a request: the one that the server's message names, else all that the request may need."""
    if named := _NAMED.search(message):
        return named.group(1)
    return " and ".join(_ACTIONS.get(operation, ("the permission",)))
