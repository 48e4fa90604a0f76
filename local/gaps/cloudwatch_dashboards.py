"""Gap: ListDashboards can be read by the AWS SDK.

The bare emulator answers in JSON and CBOR with a text where LastModified is a timestamp, and the SDK refuses all of it.
"""

from ministack.services import cloudwatch as cw


def install() -> None:
    for name in ("_list_dashboards", "_dashboards", "_cbor_ok", "_json_ok", "_cbor_timestamp"):
        if not hasattr(cw, name):
            raise RuntimeError(f"MiniStack's cloudwatch has no {name}: the pinned version changed.")
    bare = cw._list_dashboards

    def answer(params, document, is_cbor, is_json=False):
        if not (is_cbor or is_json):
            return bare(params, document, is_cbor, is_json)
        prefix = document.get("DashboardNamePrefix") or ""
        found = [cw._dashboards[name] for name in sorted(cw._dashboards) if name.startswith(prefix)]
        entries = [_entry(dashboard, is_cbor) for dashboard in found]
        return (cw._cbor_ok if is_cbor else cw._json_ok)({"DashboardEntries": entries})

    cw._list_dashboards = answer


def _entry(dashboard: dict, is_cbor: bool) -> dict:
    kept = {name: dashboard[name] for name in ("DashboardName", "DashboardArn", "Size")}
    written = dashboard["LastModified"]
    return {**kept, "LastModified": cw._cbor_timestamp(written) if is_cbor else written}
