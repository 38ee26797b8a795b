"""Owns the report's style and its one script, which searches the conversation."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--ink:#1c1e21;--soft:#5b6370;--line:#d9dde3;--paper:#fff;--card:#f6f7f9;--task:#4c8bf5;
--wait:#d97706;--merge:#8b5cf6;--question:#d97706;--answer:#0d9488;--done:#16a34a;--other:#8a93a0;--warn:#fff4e0}
@media (prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#9aa3af;--line:#343a43;--paper:#15181c;--card:#1d2127;
--task:#5b9bff;--wait:#f0a13a;--merge:#a78bfa;--question:#f0a13a;--answer:#2dd4bf;--done:#4ade80;--warn:#33291a}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1100px;padding:0 16px 48px;font:15px/1.5 system-ui,sans-serif;color:var(--ink);
background:var(--paper)}
h1{font-size:1.5rem;margin:24px 0 4px;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:28px 0 8px}
header p,.legend{color:var(--soft);margin:0}a{color:inherit;text-decoration-color:var(--line)}
ul{padding-left:20px}li{overflow-wrap:anywhere}
.wide,#timeline{overflow-x:auto}
table{border-collapse:collapse}th,td{padding:4px 12px 4px 0;text-align:left;border-bottom:1px solid var(--line);
white-space:nowrap}td{font-variant-numeric:tabular-nums}
.bar{width:120px;height:8px;display:block}.bar rect{fill:var(--task)}
.chart{min-width:640px;width:100%;font:12px system-ui,sans-serif}.chart text{fill:var(--ink)}
.chart .when{fill:var(--soft)}
.chart .lane,.chart .tick{stroke:var(--line)}.chart .tick{stroke-dasharray:2 3}.chart .hatch{fill:var(--wait)}
rect.task{fill:var(--task)}rect.merge{fill:var(--merge)}rect.wait{fill:url(#wait);stroke:var(--wait);stroke-width:.7}
rect.still{stroke:var(--ink);stroke-width:1;stroke-dasharray:3 2}
circle{fill:var(--other)}circle.t-task{fill:var(--task)}circle.t-question{fill:var(--question)}circle.t-answer{fill:var(--answer)}
circle.t-done{fill:var(--done)}
.key{display:inline-block;width:18px;height:9px;border-radius:2px;margin:0 4px 0 10px}.key.task{background:var(--task)}
.key.wait{background:repeating-linear-gradient(45deg,var(--wait) 0 2px,transparent 2px 4px);
border:1px solid var(--wait)}
.key.merge{background:var(--merge)}
.long div{content-visibility:auto;contain-intrinsic-size:auto 3500px}
h3{font-size:1rem;margin:20px 0 8px}
p[id],pre{border-left:3px solid var(--line);background:var(--card);padding:0 12px;margin:0;overflow-wrap:anywhere}
p[id]{padding-top:6px;margin-top:8px;border-radius:0 6px 0 0;font-size:.85rem;color:var(--soft)}
pre{padding:4px 12px 6px;border-radius:0 0 6px;font:13px/1.45 ui-monospace,monospace;white-space:pre-wrap}
p.hand,.hand+pre{border-color:var(--wait)}p.repair,.repair+pre{border-color:var(--merge);background:var(--warn)}
p:target,:target+pre{border-color:var(--task);
background:color-mix(in srgb,var(--task) 12%,var(--card))}
p[id] b{color:var(--ink)}
p[id] u{border:1px solid var(--line);border-radius:8px;padding:0 6px;margin-left:4px;text-decoration:none}
input{font:inherit;padding:6px 10px;width:min(100%,420px);border:1px solid var(--line);border-radius:6px;
background:var(--card);color:inherit}
[hidden]{display:none}
@media print{body{max-width:none}input,#found{display:none}.wide{overflow:visible}
th,td{white-space:normal;overflow-wrap:anywhere}
.long div{content-visibility:visible}h2,h3,p[id]{break-after:avoid}}
"""

SCRIPT = """
(() => {
  const whole = document.getElementById("conversation");
  const box = document.getElementById("search"), told = document.getElementById("found");
  const show = (one, fits) => { one.hidden = one.nextElementSibling.hidden = !fits; };
  let all, timer = 0;
  const read = () => {
    let day = "";
    return [...whole.querySelectorAll("div")].map(part => {
      day = part.querySelector("h3")?.textContent ?? day;
      return [part, [...part.querySelectorAll("p")].map(head =>
        [head, `${day} ${head.textContent}\\n${head.nextElementSibling.textContent}`.toLowerCase()])];
    });
  };
  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const words = box.value.toLowerCase().split(/\\s+/).filter(Boolean);
      let count = 0, of = 0;
      for (const [part, heads] of all ??= read()) {
        let here = 0;
        for (const [head, text] of heads) {
          const fits = words.every(word => text.includes(word));
          show(head, fits);
          here += fits;
        }
        part.hidden = !here;
        part.style.containIntrinsicBlockSize = words.length ? 70 * here + "px" : "";
        count += here;
        of += heads.length;
      }
      told.textContent = words.length ? count + " of " + of : "";
    }, 120);
  });
  addEventListener("hashchange", () => {
    const one = document.getElementById(location.hash.slice(1));
    if (!one?.matches("#conversation p")) return;
    one.parentNode.hidden = false;
    show(one, true);
    one.scrollIntoView();
  });
  whole.addEventListener("pointerover", event => {  // the time becomes a link to its message, when there is a use
    const head = event.target.closest("p[id]");
    if (!head || head.querySelector("a")) return;
    const time = head.firstChild, link = document.createElement("a");
    time.splitText(8);
    link.href = "#" + head.id;
    time.replaceWith(link);
    link.append(time);
  });
})();
"""
