"""The Lambda consumer: settles orders from SNS and from SQS events."""
