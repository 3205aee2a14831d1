"""Drives the pages of segarena in Chromium through playwright: what a reader does, and what has to come of it.

    drive_page.py FOLDER      with story.html, plan.html, place.html (tests/report/test_page.sh makes them); CHROMIUM: the browser

Prints cmocka's closing lines, which tools/run_tests.sh adds up.
"""
import json
import math
import os
import sys
import traceback
from pathlib import Path

from playwright.sync_api import sync_playwright

FOLDER = Path(sys.argv[1])
KINDS = ["activation", "activation_grad", "saved", "mask", "workspace", "param", "grad", "history", "input", "scalar"]
TESTS = []


def test(function):
    TESTS.append(function)
    return function


class Visit:
    """A page that is open; what it says on its console is a failure."""

    def __init__(self, browser, name, width=1400, height=1000, link="", **options):
        self.page = browser.new_page(viewport={"width": width, "height": height}, **options)
        self.said = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.goto(f"file://{FOLDER}/{name}" + (f"#{link}" if link else ""))
        assert self.js("document.documentElement.dataset.state") == "ready"

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.page.close()
        if kind is None:
            assert not self.said, self.said

    def js(self, text):
        return self.page.evaluate(text)

    def click(self, name):
        self.page.click("#" + name)

    def text(self, name):
        return self.page.inner_text("#" + name)

    def view(self):
        return self.js("({...page.main.view})")

    def place(self, x, y):
        """A point of the map, as shares of its plot."""
        return self.js(
            f"""(() => {{ const b = page.main.box, r = page.main.host.getBoundingClientRect();
            return [r.left + b.left + {x} * (b.right - b.left), r.top + b.top + {y} * (b.mapBottom - b.top)]; }})()"""
        )

    def until(self, text):
        """Waits for it: other programs run here too. (The page's policy forbids playwright's own way, which evaluates a text.)"""
        for _ in range(400):
            if self.js(f"Boolean({text})"):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError("this never came: " + text)


def near(a, b, share=1e-6):
    return abs(a - b) <= share * max(1, abs(a), abs(b))


@test
def story_answers_a_stranger(browser):
    """What is the largest thing at the peak of fastest, why is it alive, which rung removes it, what does that cost?"""
    with Visit(browser, "story.html") as v:
        card = v.text("selected-card")
        assert card.startswith("conv1"), card
        assert "192 MiB" in card and "Why is it alive?" in card
        assert "conv1_bn" in card and "value of the forward pass" in card, card
        assert "Which rung removes it? banded" in card, card
        assert "−192 MiB (−27.3 %)" in card and "a step" in card, card
        assert "op 30" in card or "Op 30" in v.text("step-title")


@test
def ladder_moves_the_map(browser):
    with Visit(browser, "story.html") as v:
        v.page.click("#ladder button:has-text('banded')")
        v.until("page.main.host.dataset.moving === 'true'")
        moving = v.js("page.main.host.querySelector('canvas').toDataURL().length")
        v.until("page.main.host.dataset.moving === 'false'")
        assert moving != v.js("page.main.host.querySelector('canvas').toDataURL().length")
        assert v.js("page.plan.strategy") == "banded"
        reason = v.text("reason")
        assert "rung 9" in reason and "−192 MiB" in reason and "Gone: conv1" in reason, reason
        assert v.page.get_attribute("#ladder button[aria-pressed=true]", "class") == "rung-button"
        v.click("next-rung")
        assert v.js("page.plan.strategy") == "recomputed"
        v.click("previous-rung")
        v.click("previous-rung")
        assert v.js("page.net.title(page.plan)") == "inplace"


@test
def bars_are_the_plans(browser):
    with Visit(browser, "story.html") as v:
        assert v.js("page.net.ladder.length") >= 15
        for net in range(2):
            wrong = v.js(
                f"""page.nets[{net}].plans.filter(plan => Math.abs(Object.values(plan.kindsAt(plan.peak.step)).reduce((a, b) => a + b, 0)
                - plan.peak.live_bytes) > 0).map(plan => plan.strategy)"""
            )
            assert wrong == [], wrong
        assert v.js("page.nets.every(net => net.plans.every(plan => plan.ops.every((op, i) => Object.values(plan.load).reduce((a, l) => a + l[i], 0) === op.live_bytes)))")


@test
def budget_picks_the_map(browser):
    with Visit(browser, "story.html") as v:
        low = int(v.page.get_attribute("#budget", "min"))
        for mib in (480, 400, low + 1):
            v.js(f"(() => {{ const s = document.getElementById('budget'); s.value = {mib}; s.dispatchEvent(new Event('input')); }})()")
            best = v.js(f"page.net.frontier.filter(p => p.total_bytes <= {mib} * 2 ** 20).reduce((a, b) => a.predicted_ms <= b.predicted_ms ? a : b).strategy")
            shown = v.js("page.net.frontier.find(p => p.plan === page.plan).strategy")
            assert shown == best, (mib, shown, best)
            assert v.js(f"page.plan.peak_bytes <= {mib} * 2 ** 20")
            assert best in v.text("budget-text")


@test
def two_nets_side_by_side(browser):
    with Visit(browser, "story.html", 1500, 1200) as v:
        v.click("nets-caffe")
        assert v.js("page.views.map(view => view.plan.owner.name + ' ' + view.plan.strategy).join()") == "old caffe,new caffe"
        assert near(v.js("page.main.whole.y1"), v.js("page.beside.whole.y1"))
        v.page.keyboard.press("Tab")
        v.page.focus("#map")
        v.page.keyboard.press("p")
        assert v.js("page.beside.plan.ops[page.beside.step].name") == v.js("page.plan.ops[page.main.step].name")
        v.click("swap")
        assert v.js("page.net.name") == "new"
        v.page.uncheck("#same-scale")
        assert v.js("page.main.whole.y1 === page.plan.peak_bytes && page.beside.whole.y1 === page.beside.plan.peak_bytes")
        v.page.select_option("#beside", "")
        assert v.js("page.beside === null")


@test
def card_follows_the_cursor(browser):
    """In place: conv1 holds its data until op 76, then its gradient, and the rectangle changes colour there."""
    with Visit(browser, "story.html") as v:
        assert v.js("page.state.chosen.segments.map(s => s.kind).join()") == "activation,activation_grad"
        for op, what in ((40, "conv1, as conv1 makes it"), (78, "the gradient of conv1")):
            v.js(f"page.goTo(page.main, {op}, true)")
            assert what in v.text("selected-card"), v.text("selected-card")
        colour = v.js("""(() => { const m = page.main, k = m.base.width / m.width, copy = document.createElement('canvas');
            [copy.width, copy.height] = [m.base.width, m.base.height];
            const c = copy.getContext('2d', {willReadFrequently: true});
            c.drawImage(m.base, 0, 0);
            return [40, 77].map(op => [...c.getImageData(k * m.x((m.starts[op] + m.starts[op + 1]) / 2), k * m.y(1e7), 1, 1).data].join()); })()""")
        assert colour[0] != colour[1], colour
        v.page.click("#selected-card button:has-text('conv1 forward')")
        assert v.js("page.main.step") == 1


@test
def mouse_zooms_pans_and_goes_back(browser):
    with Visit(browser, "plan.html") as v:
        whole = v.view()
        v.page.locator("#map").scroll_into_view_if_needed()
        v.page.mouse.move(*v.place(0.5, 0.5))
        v.page.mouse.wheel(0, -300)
        zoomed = v.view()
        assert zoomed["x1"] - zoomed["x0"] < 0.7 * (whole["x1"] - whole["x0"])
        assert near((zoomed["x0"] + zoomed["x1"]) / 2, (whole["x0"] + whole["x1"]) / 2, 0.02), "it zooms to the pointer"
        v.page.mouse.down()
        v.page.mouse.move(*v.place(0.7, 0.6), steps=4)
        v.page.mouse.up()
        panned = v.view()
        assert panned["x0"] < zoomed["x0"] and panned["y0"] > zoomed["y0"] and near(panned["x1"] - panned["x0"], zoomed["x1"] - zoomed["x0"])
        v.click("undo")
        assert near(v.view()["x0"], zoomed["x0"])
        v.click("undo")
        assert all(near(v.view()[key], whole[key]) for key in whole)
        v.page.locator("#map").scroll_into_view_if_needed()
        v.page.mouse.move(*v.place(0.2, 0.2))
        v.page.mouse.down()
        v.page.mouse.move(*v.place(0.5, 0.6), steps=4)
        v.page.mouse.up()
        boxed = v.view()
        assert near(boxed["x0"], whole["x1"] * 0.2, 0.02) and near(boxed["x1"], whole["x1"] * 0.5, 0.02), boxed
        v.page.mouse.dblclick(*v.place(0.5, 0.5))
        assert all(near(v.view()[key], whole[key]) for key in whole)
        v.click("zoom-in")
        assert v.view()["x1"] < whole["x1"]
        v.click("reset")
        assert v.page.is_disabled("#reset")


@test
def wheel_scrolls_the_page_over_a_whole_map(browser):
    with Visit(browser, "plan.html", 1400, 600) as v:
        v.page.locator("#map").scroll_into_view_if_needed()
        before = v.js("scrollY")
        v.page.mouse.move(*v.place(0.5, 0.5))
        v.page.mouse.wheel(0, 200)
        v.until(f"scrollY > {before}")


@test
def keyboard_does_it_all(browser):
    with Visit(browser, "plan.html") as v:
        v.page.focus("#map")
        press = v.page.keyboard.press
        press("Home")
        press("ArrowRight")
        assert v.js("page.main.step") == 1
        press("p")
        assert v.js("page.main.step === page.plan.peak.step")
        v.js("page.choose(null)")
        press("ArrowUp")
        first = v.js("page.state.chosen.offset_bytes")
        press("ArrowUp")
        assert v.js("page.state.chosen.offset_bytes") > first
        press("Enter")
        assert not v.js("page.main.isWhole")
        for _ in range(3):
            press("+")
        press("End")
        at = v.js("page.main.starts[page.main.step]")
        view = v.view()
        assert view["x0"] <= at < view["x1"], "the view follows the cursor"
        press("u")
        press("Control+z")
        press("Escape")
        assert v.js("page.main.isWhole && page.state.chosen === null")


@test
def fingers_pan_and_pinch(browser):
    with Visit(browser, "plan.html", 390, 844, has_touch=True, is_mobile=True) as v:
        v.page.locator("#map").scroll_into_view_if_needed()
        whole = v.view()
        fire = """(type, id, x, y) => page.main.host.dispatchEvent(new PointerEvent(type, {pointerId: id, pointerType: 'touch', clientX: x, clientY: y, bubbles: true, button: 0, isPrimary: id === 1}))"""
        (ax, ay), (bx, by) = v.place(0.4, 0.5), v.place(0.6, 0.5)
        v.js(f"""(() => {{ const fire = {fire}; fire('pointerdown', 1, {ax}, {ay}); fire('pointerdown', 2, {bx}, {by});
            for (let i = 1; i <= 10; i++) {{ fire('pointermove', 1, {ax} - 6 * i, {ay}); fire('pointermove', 2, {bx} + 6 * i, {by}); }}
            fire('pointerup', 1, {ax} - 60, {ay}); fire('pointerup', 2, {bx} + 60, {by}); }})()""")
        pinched = v.view()
        assert pinched["x1"] - pinched["x0"] < 0.7 * (whole["x1"] - whole["x0"]), pinched
        v.js(f"""(() => {{ const fire = {fire}; fire('pointerdown', 3, {ax}, {ay}); for (let i = 1; i <= 5; i++) fire('pointermove', 3, {ax} + 10 * i, {ay}); fire('pointerup', 3, {ax} + 50, {ay}); }})()""")
        assert v.view()["x0"] < pinched["x0"]
        v.js("page.main.showAll()")
        v.page.touchscreen.tap(*v.place(0.5, 0.9))
        assert v.js("page.state.chosen !== null") and v.page.is_visible("#selected-card")
        assert v.js("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the screen"


@test
def link_keeps_the_view(browser):
    with Visit(browser, "story.html") as v:
        v.page.click("#nets button:has-text('new')")
        v.page.click("#ladder button:has-text('smallest')")
        v.until("page.main.host.dataset.moving === 'false'")
        v.page.select_option("#beside", v.js("'0.' + page.nets[0].plans.find(p => p.strategy === 'caffe').number"))
        v.click("axis-ms")
        v.click("zoom-in")
        v.js("page.goTo(page.main, 12, true)")
        v.until("location.hash.includes('op=12') && location.hash.includes('view=')")
        link, view, chosen = v.js("location.hash.slice(1)"), v.view(), v.js("page.state.chosen.name")
    with Visit(browser, "story.html", link=link) as v:
        assert v.js("page.net.name + page.net.title(page.plan) + page.state.axis + page.main.step") == "newsmallestms12"
        assert v.js("page.beside.plan.owner.name + page.beside.plan.strategy") == "oldcaffe"
        assert v.js("page.state.chosen.name") == chosen
        assert all(near(v.view()[key], view[key], 1e-4) for key in view), (v.view(), view)


@test
def axis_is_time(browser):
    with Visit(browser, "plan.html") as v:
        v.click("axis-ms")
        assert v.js("page.main.axis") == "ms"
        assert near(v.js("page.main.view.x1"), v.js("page.plan.times.step_ms"), 1e-9)
        longest = v.js("page.plan.ops.reduce((a, op, i) => op.ms > page.plan.ops[a].ms ? i : a, 0)")
        assert v.js(f"page.main.opAtX((page.main.x(page.main.starts[{longest}]) + page.main.x(page.main.starts[{longest} + 1])) / 2)") == longest


@test
def tables_sort_and_lead(browser):
    with Visit(browser, "plan.html") as v:
        v.page.click("#tables summary")
        v.page.click("#table th button:has-text('ms')")
        column = [float(text) for text in v.page.locator("#table tbody tr td:nth-child(6)").all_inner_texts()]
        assert len(column) > 50 and column == sorted(column, reverse=True)
        v.page.click("#table tbody tr:first-child button")
        assert v.js("page.plan.ops[page.main.step].ms") == v.js("Math.max(...page.plan.ops.map(op => op.ms))")
        v.click("table-layers")
        assert "conv_decode1" in v.text("table")
        v.click("table-buffers")
        v.page.click("#table tbody tr:first-child button")
        assert v.js("page.state.chosen.size_bytes === Math.max(...page.plan.buffers.map(b => b.size_bytes))")


@test
def search_finds_ops_and_buffers(browser):
    with Visit(browser, "plan.html") as v:
        v.page.fill("#search", "CONV2")
        assert v.page.locator("#hits button:has-text('buffer conv2')").count() >= 1
        v.page.locator("#hits button:has-text('op ')").first.click()
        assert "conv2" in v.js("page.plan.ops[page.main.step].name")
        assert v.js("page.isDim(page.plan.byName.get('conv3'))") and not v.js("page.isDim(page.plan.byName.get('conv2'))")
        v.page.fill("#search", "")
        v.page.locator("#legend button").first.click()
        assert v.js("page.filtered")


@test
def view_is_exported(browser):
    with Visit(browser, "plan.html") as v:
        for name, begins in (("save-svg", b"<svg"), ("save-png", b"\x89PNG")):
            with v.page.expect_download() as download:
                v.click(name)
            data = Path(download.value.path()).read_bytes()
            assert data.startswith(begins) and len(data) > 5000
            if name == "save-svg":
                assert data.count(b"<rect") > v.js("page.plan.buffers.length") and b"conv_decode1" in data


@test
def placement_has_its_page(browser):
    with Visit(browser, "place.html") as v:
        assert v.js("page.plan.buffers.length") > 100 and v.js("page.plan.peak.live_bytes") == 736695368
        assert not v.page.is_visible("#axis-box") and not v.page.is_visible("#story")
        v.js("page.choose(page.plan.byName.get('conv1'))")
        assert "201,326,592 bytes" in v.text("selected-card")


def many_buffers(count):
    """A plan of so many buffers, like those of a deep net: pairs that live from an op to its mirror."""
    ops = count // 2
    buffers = [{"name": f"value{i}", "kind": KINDS[i % 10], "size_bytes": 4096 * (1 + i % 7), "offset_bytes": 4096 * 8 * (i % 500),
                "begin": i // 4, "end": max(i // 4 + 1, ops - i // 5), "writers": [i // 4], "readers": [ops - i // 5 - 1],
                "values": [{"from": i // 4, "what": "data", "blob": f"value{i}", "layer": f"layer{i}", "bytes": 4096}]} for i in range(count)]
    plan = {"net": "many", "path": "many", "strategy": "test", "peak_bytes": 4096 * 8 * 501, "lower_bound_bytes": 4096 * 8 * 501,
            "unshared_bytes": 1 << 30, "peak": {"step": ops // 2, "live_bytes": 4096}, "buffers": buffers,
            "ops": [{"name": f"layer{i} forward", "phase": "forward" if i < ops // 2 else "backward", "live_bytes": 4096, "ms": 1} for i in range(ops)]}
    text = (FOLDER / "plan.html").read_text()
    begin, mark = text.index('id="plan">') + len('id="plan">'), "</script>"
    (FOLDER / "many.html").write_text(text[:begin] + json.dumps({"nets": [{"plans": [plan]}]}) + text[text.index(mark, begin):])


def move_ms(v, moves=200):
    """The time of a pointer's move, the layout that follows included: of ten moves the quickest counts, since other programs run here
    too and a move is shorter than their turns."""
    return v.js(
        f"""(() => {{ const host = page.main.host, r = host.getBoundingClientRect(), times = [];
        page.hold(false);
        for (let i = 0; i < {moves}; i++) {{
            const event = new PointerEvent('pointermove', {{clientX: r.left + 90 + (i * 37) % (r.width - 120), clientY: r.top + 60 + (i * 23) % 300, bubbles: true, pointerType: 'mouse'}});
            const begun = performance.now();
            host.dispatchEvent(event);
            document.body.offsetHeight;
            times.push(performance.now() - begun);
        }}
        return times.sort((a, b) => a - b)[Math.floor({moves} / 10)]; }})()"""
    )


@test
def moves_are_quick(browser):
    many_buffers(8420)
    for name, most in (("plan.html", 4), ("many.html", 16)):
        with Visit(browser, name) as v:
            ms = min(move_ms(v) for _ in range(3))
            print(f"a move over {v.js('page.plan.buffers.length')} buffers: {ms:.2f} ms")
            assert ms < most, (name, ms)


def linear(part):
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def rgb(text):
    return [linear(int(text[i:i + 2], 16) / 255) for i in (1, 3, 5)]


def contrast(a, b):
    light = sorted(0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2] for c in (rgb(a), rgb(b)))
    return (light[1] + 0.05) / (light[0] + 0.05)


# What eyes without one kind of cone see (Machado et al. 2009, severity 1), on linear RGB.
EYES = {
    "all cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "no L": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no M": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no S": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def oklab(c):
    r, g, b = (min(1, max(0, part)) for part in c)
    l, m, s = (part ** (1 / 3) for part in (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b, 0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b,
                                            0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b))
    return (0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s, 1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
            0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s)


@test
def colours_keep_apart(browser):
    for scheme in ("light", "dark"):
        with Visit(browser, "plan.html", color_scheme=scheme) as v:
            colours = v.js("page.colours")
        for kind in KINDS:
            assert contrast(colours[kind], colours["plot"]) >= 3, (scheme, kind)
            assert contrast(colours[kind], colours["on"][kind]) >= 4.5, (scheme, kind, "its label")
        for eye, matrix in EYES.items():
            seen = {kind: oklab([sum(row[j] * rgb(colours[kind])[j] for j in range(3)) for row in matrix]) for kind in KINDS}
            closest = min((math.dist(seen[a], seen[b]), a, b) for i, a in enumerate(KINDS) for b in KINDS[:i])
            assert closest[0] > 0.06, (scheme, eye, closest)


@test
def axe_finds_nothing(browser):
    try:
        import axe_playwright_python
    except ImportError:
        print("SKIP: axe-core does not look at the pages: no axe_playwright_python here (pip install axe-playwright-python)")
        return "skipped"
    script = next(Path(axe_playwright_python.__file__).parent.glob("**/axe.min.js")).read_text()
    for name, width, scheme in (("story.html", 1400, "light"), ("story.html", 390, "dark"), ("plan.html", 1400, "dark"), ("place.html", 390, "light")):
        with Visit(browser, name, width, color_scheme=scheme, bypass_csp=True) as v:
            v.page.evaluate("document.getElementById('tables').open = true")
            v.page.evaluate(script)
            found = v.js("axe.run().then(r => r.violations.map(x => x.id + ': ' + x.nodes.map(n => n.target.join(' ')).slice(0, 3).join(' | ')))")
            assert found == [], (name, width, scheme, found)
    return None


@test
def prints_in_ink(browser):
    with Visit(browser, "story.html", color_scheme="dark") as v:
        v.page.emulate_media(media="print")
        v.until("page.colours.plot === '#ffffff' && document.querySelector('.printed')")
        assert not v.page.is_visible("#zoom-in")
        assert v.page.is_visible(".printed svg") and not v.page.is_visible("#map canvas")
        assert v.page.locator(".printed rect").count() > v.js("page.plan.buffers.length")
        assert v.page.pdf(print_background=True)[:4] == b"%PDF"
        v.page.emulate_media(media="screen")
        v.until("page.colours.plot !== '#ffffff' && !document.querySelector('.printed')")
        assert v.page.is_visible("#map canvas")


def main():
    passed = failed = skipped = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=["--no-sandbox"])
        for function in TESTS:
            if len(sys.argv) > 2 and function.__name__ not in sys.argv[2:]:
                continue
            try:
                skipped += function(browser) == "skipped"
                passed += 1
            except Exception:
                failed += 1
                print(f"[  FAILED  ] {function.__name__}\n{traceback.format_exc(limit=-3)}")
        browser.close()
    print(f"[  PASSED  ] {passed - skipped} test(s).")
    if skipped:
        print(f"[  SKIPPED ] {skipped} test(s).")
    if failed:
        print(f"[  FAILED  ] {failed} test(s), listed below:")
    return failed > 0


sys.exit(main())
