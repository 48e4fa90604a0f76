"""Gap: ListDashboards can be read by the AWS SDK.

The bare emulator answers in JSON with a text where LastModified is a number, and the SDK refuses all of it.
"""

from ministack.services import cloudwatch as cw

_FIELDS = ("DashboardName", "DashboardArn", "Size", "LastModified")


def install() -> None:
    for name in ("_list_dashboards", "_dashboards", "_json_ok"):
        if not hasattr(cw, name):
            raise RuntimeError(f"MiniStack's cloudwatch has no {name}: the pinned version changed.")
    bare = cw._list_dashboards

    def answer(params, document, is_cbor, is_json=False):
        if not is_json:
            return bare(params, document, is_cbor, is_json)
        prefix = document.get("DashboardNamePrefix") or ""
        found = [cw._dashboards[name] for name in sorted(cw._dashboards) if name.startswith(prefix)]
        return cw._json_ok({"DashboardEntries": [{name: one[name] for name in _FIELDS} for one in found]})

    cw._list_dashboards = answer
