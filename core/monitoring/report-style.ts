const light =
  '--ink:#1d2328;--quiet:#5c6670;--paper:#fff;--line:#dde2e6;--shade:#f3f5f7;--before:#a9b4be;--now:#2f6fb5;--ok:#1e7b4a;--drifted:#b3400f;--unknown:#6a737c;';
const dark =
  '--ink:#e4e8eb;--quiet:#9aa5af;--paper:#14191d;--line:#2d353c;--shade:#1d242a;--before:#5b6771;--now:#6fa8e6;--ok:#5cc28c;--drifted:#f0925c;--unknown:#9aa5af;';

/**
 * Of a report page. All of it is under one class, because a dashboard shows the page between its own
 * elements; colours follow the reader's setting unless the page is told which.
 */
export const reportStyle = `
.slipway-report{${light}color:var(--ink);background:var(--paper);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;max-width:64rem;margin:0 auto;padding:1.5rem;box-sizing:border-box;font-variant-numeric:tabular-nums}
@media (prefers-color-scheme:dark){.slipway-report.auto{${dark}}}
.slipway-report.dark{${dark}}
.slipway-report h1{font-size:1.5rem;line-height:1.25;margin:0 0 .25rem;font-weight:650}
.slipway-report h2{font-size:1.05rem;margin:2rem 0 .5rem;font-weight:650}
.slipway-report p{margin:.25rem 0}
.slipway-report .quiet{color:var(--quiet)}
.slipway-report .status{font-weight:600;white-space:nowrap}
.slipway-report .status.ok{color:var(--ok)}
.slipway-report .status.drifted,.slipway-report .status.dropped{color:var(--drifted)}
.slipway-report .status.insufficient_data{color:var(--unknown)}
.slipway-report dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.25rem,1fr));gap:.75rem 1.25rem;margin:1.25rem 0;padding:1rem 0;border:solid var(--line);border-width:1px 0}
.slipway-report dt{color:var(--quiet);font-size:.8rem}
.slipway-report dd{margin:0;font-weight:600}
.slipway-report dd small{font-weight:400;color:var(--quiet);display:block;font-size:.8rem}
.slipway-report table{border-collapse:collapse;width:100%}
.slipway-report th{font-weight:400;color:var(--quiet);font-size:.8rem;text-align:left;padding:.25rem .75rem .25rem 0;border-bottom:1px solid var(--line)}
.slipway-report td{padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--line);vertical-align:top}
.slipway-report .number{text-align:right;white-space:nowrap}
.slipway-report pre{background:var(--shade);border-radius:6px;padding:.9rem 1rem;margin:.5rem 0;white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.slipway-report details{border-bottom:1px solid var(--line);padding:.6rem 0}
.slipway-report summary{cursor:pointer}
.slipway-report summary b{font-weight:600;margin-right:.75rem}
.slipway-report .bars td{border:0;padding:.18rem .75rem .18rem 0;vertical-align:middle}
.slipway-report .bars .label{width:14rem;max-width:14rem;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.slipway-report .bars .number{width:5rem}
.slipway-report .bar{height:.5rem;border-radius:1px}
.slipway-report .bar.before{background:var(--before);margin-bottom:2px}
.slipway-report .bar.now{background:var(--now)}
.slipway-report .key{display:inline-block;width:.7rem;height:.7rem;border-radius:2px;margin:0 .35rem 0 0}
.slipway-report .key.before{background:var(--before)}
.slipway-report .key.now{background:var(--now);margin-left:1rem}
@media (max-width:40rem){.slipway-report{padding:1rem}.slipway-report .wide{display:none}.slipway-report .bars .label{width:8rem;max-width:8rem}}
`.trim();
