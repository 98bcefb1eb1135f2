"""The HTML report in Chromium: complete without scripts, silent, legible, and usable by everybody.

Screenshots in both themes, at the width of a telephone and on paper are left in build/report/.
"""

import base64
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service
except ImportError:
    print("skipped: no selenium package; scripts/install-deps --all installs it")
    sys.exit(77)

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
if not BROWSER or not DRIVER:
    print("skipped: no chromium or chromedriver; scripts/install-deps --all installs them")
    sys.exit(77)

ROOT = pathlib.Path(__file__).parents[2]
OUT = ROOT / "build/report"
FIXTURES = ("full", "compare", "hostile", "minimal")
MAKER = pathlib.Path(os.environ.get("MUAI_BUILD", ROOT / "build/release")) / "report_golden_test"

# Charts: marks that are drawn against values in the table beside them.
CHARTS = """
return [...document.querySelectorAll('figure.chart')].map(f => {
    const svg = f.querySelector('svg[role=img]'), table = f.querySelector('details table');
    const count = s => svg.querySelectorAll(s).length;
    let marks = count('.pt') || count('g.req') || count('rect.bar');
    svg.querySelectorAll('g[data-k]').forEach(g => {
        if (!g.querySelector('.pt') && g.querySelector('.line')) {
            marks += (g.querySelector('.line').getAttribute('d').match(/[ML]/g) || []).length;
        }
    });
    const values = [...table.querySelectorAll('tbody td.n')].filter(c => c.textContent.trim() !== '–').length;
    const name = svg.getAttribute('aria-label') || (svg.getAttribute('aria-labelledby') || '').split(' ')
        .map(id => (document.getElementById(id) || {}).textContent || '').join('. ');
    return {title: f.querySelector('figcaption b').textContent, marks, values, name,
            caption: !!table.caption && !!table.caption.textContent.trim(),
            scopes: [...table.querySelectorAll('th')].every(h => h.scope && h.textContent.trim())};
});
"""

# Colours of text nodes against what lies behind them (WCAG 2.2, 1.4.3), and sizes on the screen.
TEXTS = """
const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
const rgba = c => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1);
                    const d = canvas.getImageData(0, 0, 1, 1).data; return [d[0], d[1], d[2], d[3] / 255]; };
const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3]));
const behind = e => { const stack = [];
    for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); stack.push(c); if (c[3] === 1) break; }
    return stack.reverse().reduce((b, c) => over(c, b), [255, 255, 255]); };
const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let n = 0, smallest = 1e9, worst = 99;
for (let t = walker.nextNode(); t; t = walker.nextNode()) {
    const e = t.parentElement;
    if (!t.textContent.trim() || /^(SCRIPT|STYLE|TITLE|DESC|title|desc)$/.test(e.tagName)) continue;
    const range = document.createRange(); range.selectNodeContents(t);
    if (!range.getClientRects().length || e.closest('.skip')) continue;
    const style = getComputedStyle(e), svg = e.ownerSVGElement;
    const back = behind(svg ? svg.parentElement : e);
    const front = over(rgba(svg ? style.fill : style.color), back);
    const a = light(front), b = light(back), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize) * (svg ? svg.getScreenCTM().a : 1);
    n++; smallest = Math.min(smallest, size); worst = Math.min(worst, ratio);
    if (ratio < 4.5 || size < 10.95) found.push([t.textContent.trim().slice(0, 40), ratio.toFixed(2), size.toFixed(1)]);
}
return {n, worst, smallest, found};
"""

STRUCTURE = """
const all = s => [...document.querySelectorAll(s)], ids = all('[id]').map(e => e.id);
const nameless = all('a[href],button,summary,input,[tabindex]').filter(e =>
    !(e.textContent.trim() || e.getAttribute('aria-label') || e.title));
return {
    h1: all('h1').length, headings: all('h1,h2,h3,h4').map(h => +h.tagName[1]),
    twice: ids.filter((id, i) => ids.indexOf(id) !== i),
    broken: all('a[href^="#"]').filter(a => !document.getElementById(a.getAttribute('href').slice(1))).map(a => a.href),
    nameless: nameless.map(e => e.outerHTML.slice(0, 80)),
    tables: all('table').filter(t => !t.caption || !t.tHead || [...t.querySelectorAll('th')].some(h => !h.scope || !h.textContent.trim()))
        .map(t => t.outerHTML.slice(0, 120)),
    regions: all('section').filter(s => !document.getElementById(s.getAttribute('aria-labelledby'))).length,
    lang: document.documentElement.lang, main: all('main').length, title: document.title.length,
    refs: all('[src],[href]').map(e => e.getAttribute('src') || e.getAttribute('href')).filter(r => !r.startsWith('#')),
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
};
"""


class Browser:
    def __init__(self):
        options = Options()
        options.binary_location = BROWSER
        for arg in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                    "--window-size=1280,900"):
            options.add_argument(arg)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.quit()

    def cdp(self, command, **args):
        return self.driver.execute_cdp_cmd(command, args)

    def show(self, name, width=1280, theme="light", scripts=True):
        self.cdp("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
        self.driver.get((OUT / f"{name}.html").as_uri())

    def ask(self, script):
        self.cdp("Emulation.setScriptExecutionDisabled", value=False)
        return self.driver.execute_script(script)

    def picture(self, path, width):
        height = self.ask("return document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, 15000), "scale": 1}
        data = self.cdp("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]
        path.write_bytes(base64.b64decode(data))


def check_structure(name, b):
    s = b.ask(STRUCTURE)
    assert s["h1"] == 1 and s["main"] == 1 and s["lang"] == "en" and s["title"] > 0, (name, s)
    levels = s["headings"]
    assert levels[0] == 1 and all(y <= x + 1 for x, y in zip(levels, levels[1:])), (name, levels)
    for what in ("twice", "broken", "nameless", "tables", "refs"):
        assert s[what] == [], (name, what, s[what][:3])
    assert s["regions"] == 0, name
    return s


def check_charts(name, b):
    charts = b.ask(CHARTS)
    for c in charts:
        assert c["marks"] == c["values"] > 0, (name, c)
        assert c["caption"] and c["scopes"] and len(c["name"]) > len(c["title"]), (name, c)
    return charts


def test_pages_are_complete_without_scripts(b):
    for name in FIXTURES:
        b.show(name, scripts=False)
        charts = check_charts(name, b)
        check_structure(name, b)
        assert b.ask("return document.querySelectorAll('button').length") == 0, name
        assert name == "minimal" or len(charts) > 8, (name, len(charts))
        print(f"  {name}: {len(charts)} charts, {sum(c['values'] for c in charts)} values")


def test_pages_are_silent(b):
    b.driver.get_log("browser"), b.driver.get_log("performance")
    for name in FIXTURES:
        b.show(name)
        assert b.ask("return document.querySelectorAll('.theme').length") == 1, f"{name}: the script did not run"
        check_structure(name, b)
        check_charts(name, b)
    log = b.driver.get_log("browser")
    assert log == [], log[:3]
    urls = [json.loads(e["message"])["message"] for e in b.driver.get_log("performance")]
    urls = [m["params"]["request"]["url"] for m in urls if m["method"] == "Network.requestWillBeSent"]
    assert urls and all(u.startswith("file://") for u in urls), urls
    assert len(urls) == len(FIXTURES), urls


def test_text_is_legible(b):
    for name in FIXTURES:
        for theme in ("light", "dark"):
            for width in (1280, 768, 360):
                b.show(name, width, theme)
                b.ask("document.querySelectorAll('details').forEach(d => { d.open = true; })")
                t = b.ask(TEXTS)
                assert t["n"] > 50 and t["found"] == [], (name, theme, width, t["found"][:5])
                if name == "full":
                    print(f"  {theme}, {width} px: {t['n']} texts, contrast >= {t['worst']:.2f}, {t['smallest']:.1f} px and more")


def test_nothing_is_wider_than_a_telephone(b):
    for name in FIXTURES:
        b.show(name, 360)
        b.ask("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        assert b.ask(STRUCTURE)["wide"] <= 0, name


def test_the_check_of_contrast_can_fail(b):
    b.show("full")
    b.ask("document.querySelector('.lead').style.color = '#999'")
    assert b.ask(TEXTS)["found"]


def test_buttons_work(b):
    b.show("full")
    b.ask("document.querySelector('.theme').click()")
    assert b.ask("return document.documentElement.dataset.theme") == "dark"
    before = "return document.querySelector('figure.chart > svg .line').getAttribute('d')"
    linear = b.ask(before)
    log = "document.querySelector('figure.chart figcaption .tool').click()"
    b.ask(log)
    assert b.ask(before) != linear, "the logarithmic axis moves nothing"
    b.ask(log)
    assert b.ask(before) == linear, "the straight axis does not come back"
    hidden = "return document.querySelectorAll('g.off').length"
    b.ask("document.querySelector('.legend button').click()")
    assert b.ask(hidden) == 1
    b.ask("document.querySelector('.legend button').click()")
    assert b.ask(hidden) == 0
    column = "return [...document.querySelectorAll('#load table')].find(t => t.caption.textContent.startsWith('Load'))"
    values = f"{column.replace('return', 'const t =')}; return [...t.tBodies[0].rows].map(r => parseFloat(r.cells[8].textContent))"
    b.ask(f"{column.replace('return', 'const t =')}; t.tHead.rows[0].cells[8].querySelector('button').click()")
    sorted_values = b.ask(values)
    assert len(sorted_values) == 10 and sorted_values == sorted(sorted_values), sorted_values
    b.ask("""const svg = document.querySelector('figure.chart > svg'), r = svg.getBoundingClientRect();
             svg.dispatchEvent(new PointerEvent('pointermove', {clientX: r.x + r.width / 2, clientY: r.y + r.height / 2}))""")
    assert re.search(r"%\n.*: \d", b.ask("return document.querySelector('.tip').textContent"))


def test_pictures_are_left(b):
    for name in FIXTURES:
        for width, theme in ((1280, "light"), (1280, "dark"), (360, "light")):
            b.show(name, width, theme)
            b.picture(OUT / f"{name}-{width}-{theme}.png", width)
        b.show(name, 1280, "dark")
        pdf = base64.b64decode(b.cdp("Page.printToPDF", printBackground=True, paperWidth=8.27, paperHeight=11.69)["data"])
        (OUT / f"{name}.pdf").write_bytes(pdf)
        assert pdf.startswith(b"%PDF") and len(pdf) > 10000, name


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    subprocess.run([MAKER, "--write", OUT], check=True, cwd=ROOT)
    with Browser() as browser:
        for test_name, test in list(globals().items()):
            if test_name.startswith("test_"):
                test(browser)
                print(f"{test_name}: ok", flush=True)
