const light =
  'color-scheme:light;--ink:#1d2328;--quiet:#5c6670;--page:#f1f3f5;--paper:#fff;--line:#dfe4e8;--link:#1f67ad;--ok:#1e7b4a;--alarm:#b3400f;--unknown:#6a737c;';
const dark =
  'color-scheme:dark;--ink:#e4e8eb;--quiet:#9aa5af;--page:#0e1215;--paper:#14191d;--line:#2b333a;--link:#77b0ea;--ok:#5cc28c;--alarm:#f0925c;--unknown:#9aa5af;';

/** Of the page of a dashboard; a widget of its own kind brings its own style. */
export const dashboardStyle = `
:root{${light}}
@media (prefers-color-scheme:dark){:root.auto{${dark}}}
:root.dark{${dark}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;font-variant-numeric:tabular-nums}
a{color:var(--link)}
header{display:flex;flex-wrap:wrap;align-items:center;gap:.5rem 1.5rem;padding:.9rem 1.25rem;background:var(--paper);border-bottom:1px solid var(--line)}
header h1{font-size:1.15rem;margin:0 .5rem 0 0;font-weight:650}
nav{display:flex;align-items:center;gap:.15rem}
nav span{color:var(--quiet);margin-right:.4rem}
nav a{padding:.15rem .55rem;border-radius:5px;text-decoration:none}
nav a[aria-current]{background:var(--link);color:var(--paper);font-weight:600}
header .now{color:var(--quiet);margin-left:auto}
body>main{display:grid;grid-template-columns:repeat(24,1fr);grid-auto-rows:minmax(46px,auto);gap:10px;padding:14px 1.25rem 2rem;max-width:1560px;margin:0 auto}
body>main>p,body>main>ul{grid-column:1/-1}
.widget{background:var(--paper);border:1px solid var(--line);border-radius:8px;padding:.65rem .9rem .7rem;min-width:0;overflow:hidden}
.widget h2{font-size:.9rem;margin:0 0 .35rem;font-weight:600}
.widget svg{display:block;width:100%;height:auto}
.widget svg text{font:10.5px system-ui,sans-serif;fill:var(--quiet)}
.widget svg text.limit{fill:var(--alarm)}
.widget svg text.empty{font-size:13px}
.widget svg .grid{stroke:var(--line);stroke-width:1}
body>main>ul,.legend,.alarms{list-style:none;margin:0;padding:0}
.legend{display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;margin-top:.35rem;color:var(--quiet);font-size:.82rem}
.legend span{display:inline-block;width:.7rem;height:.7rem;border-radius:2px;margin-right:.35rem;vertical-align:-1px}
.legend b{color:var(--ink);font-weight:600}
.alarms{display:flex;flex-wrap:wrap;gap:.4rem}
.alarm{border:1px solid var(--line);border-left-width:4px;border-radius:6px;padding:.3rem .65rem;font-size:.85rem}
.alarm b{display:block;font-weight:600}
.alarm.OK{border-left-color:var(--ok)}.alarm.OK b{color:var(--ok)}
.alarm.ALARM{border-color:var(--alarm)}.alarm.ALARM b{color:var(--alarm)}
.alarm.INSUFFICIENT_DATA b,.alarm.none b{color:var(--unknown)}
.failed{color:var(--alarm)}
header form{display:flex;gap:.4rem}
@media (max-width:60rem){body>main{display:block}.widget{margin-bottom:10px}}
`.trim();
