"""Items of a restored table into the one that is in use: `python -m cloudformation.delivery.put_back RESTORED TABLE`.

A restore makes another table beside the one that lost something. What is missing is put back, and what is there stays
as it is: an order's ledger must not go back to before its charge.
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

# As many as botocore keeps connections for.
AT_ONCE = 10
Item = dict[str, Any]


def put_back(client: Any, *, restored: str, table: str, replace: bool = False) -> tuple[int, int]:  # noqa: ANN401  # botocore's clients are made at run time
    """Put every item of `restored` into `table` unless one of its key is there; `replace` puts it in its place.

    Returns:
        How many were put back, and how many stayed as they are.
    """
    (key,) = client.describe_table(TableName=table)["Table"]["KeySchema"]
    put = partial(_put, client, table, None if replace else key["AttributeName"])
    put_backs = stayed = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for page in client.get_paginator("scan").paginate(TableName=restored, ConsistentRead=True):
            done = list(pool.map(put, page["Items"]))
            put_backs, stayed = put_backs + sum(done), stayed + done.count(False)
    return put_backs, stayed


def _put(client: Any, table: str, absent: str | None, item: Item) -> bool:  # noqa: ANN401  # the same
    condition = (
        {}
        if absent is None
        else {"ConditionExpression": "attribute_not_exists(#key)", "ExpressionAttributeNames": {"#key": absent}}
    )
    try:
        client.put_item(TableName=table, Item=item, **condition)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Put back, and say how many."""
    parser = argparse.ArgumentParser(prog="python -m cloudformation.delivery.put_back", description=__doc__)
    parser.add_argument("restored", help="name of the restored table")
    parser.add_argument("table", help="name of the table in use")
    parser.add_argument("--replace", action="store_true", help="what is there, too: for the catalogue, not for orders")
    options = parser.parse_args(arguments)
    if options.restored == options.table:
        parser.error("a table cannot be put back into itself")
    try:
        client = get_session().create_client("dynamodb")
        put_backs, stayed = put_back(client, restored=options.restored, table=options.table, replace=options.replace)
    except (BotoCoreError, ClientError) as error:
        sys.stderr.write(f"{error}: what was put back so far stays, and the same call puts back the rest\n")
        return 1
    sys.stdout.write(f"{put_backs} put back, {stayed} stayed as they are\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
