"""The page of `moco explore`, used in a real browser."""

import http.server
import io
import threading

import numpy as np
import pytest
from reference.browser import find_browser, opened_browser, wait_for_file

from mocotool.configs.explore import ExploreConfig
from mocotool.explore.opening import load_explorer
from mocotool.explore.server import ExploreServer
from mocotool.generators.loading import save_generator
from mocotool.generators.stylegan2 import StyleGAN2
from mocotool.latents import read_latents
from mocotool.video.pictures import decode_image

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_browser() is None, reason="no Chromium with its driver is installed"),
]

PICTURE = """const canvas = document.getElementById("canvas");
    return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.join(",")"""
HAS_ALL = 'return document.getElementById("status").textContent.startsWith("all 12 frames")'
POSITION = 'return document.getElementById("count").textContent'
MOVE = """const slider = document.getElementById("{}");
    slider.value = {};
    slider.dispatchEvent(new Event("input", {{ bubbles: true }}));"""


@pytest.fixture(scope="module")
def server(toy_motion_path, toy_pca_path):
    explorer = load_explorer(toy_motion_path, pca=toy_pca_path)
    with ExploreServer(explorer, config=ExploreConfig(num_frames=12)) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def pause(browser):
    browser.wait(HAS_ALL)
    browser.tap("#play")
    browser.run("go(0)")
    return browser.wait(PICTURE)


def wait_for_another(browser, before):
    return browser.wait(f'if ((() => {{ {PICTURE} }})() !== "{before}") {{ {PICTURE} }}')


@pytest.mark.parametrize("width", [1200, 390])
def test_a_slider_changes_the_picture_and_the_command(width, server, tmp_path):
    with opened_browser(tmp_path, width=width) as browser:
        browser.visit(server.address)
        before = pause(browser)

        browser.run(MOVE.format("directions-1", 2.5))
        after = wait_for_another(browser, before)
        command = browser.wait(
            'const told = document.getElementById("command").textContent;'
            'return told.includes("moco edit") && told'
        )
        browser.run(MOVE.format("directions-1", 0))
        browser.wait(f'return (() => {{ {PICTURE} }})() === "{before}"')
        noted = browser.run('return document.getElementById("note").textContent')
        is_too_wide = browser.run("return document.documentElement.scrollWidth > innerWidth")

    assert after != before
    assert "--direction 1:2.5" in command
    assert noted == ""
    assert not is_too_wide


def test_it_plays_pauses_and_goes_on_from_where_it_was_left(server, tmp_path):
    with opened_browser(tmp_path, width=1200) as browser:
        browser.visit(server.address)
        browser.wait(HAS_ALL)
        seen = {browser.wait(f"return (() => {{ {POSITION} }})() !== '{n} / 12' && '{n}'")
                for n in ("1", "2", "3", "1")}  # fmt: skip
        browser.press("space")
        stopped = browser.run(POSITION)
        assert browser.run(POSITION) == stopped
        browser.run('document.getElementById("canvas").focus()')
        browser.press("right")
        stepped = browser.run(POSITION)
        browser.run(MOVE.format("seed", 7))
        browser.reload()
        seed = browser.run('return document.getElementById("seed").value')

    assert len(seen) == 3
    assert int(stepped.split()[0]) == int(stopped.split()[0]) % 12 + 1
    assert seed == "7"


def test_latents_are_saved(server, tmp_path):
    with opened_browser(tmp_path, width=390) as browser:
        browser.visit(server.address + "#seed=4&directions=0,1")
        browser.wait(HAS_ALL)
        browser.run('document.getElementById("save").click()')
        saved = wait_for_file(tmp_path / "downloads", "explored-4-0.npz")

    trajectory = read_latents(io.BytesIO(saved.read_bytes()), saved.name)
    assert trajectory.latents.shape == (1, 12, 12)
    assert "--direction 1:1" in trajectory.meta.history[1]


def test_two_clients_have_each_their_own(server, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with (
        opened_browser(tmp_path / "a", width=1200) as one,
        opened_browser(tmp_path / "b", width=390) as two,
    ):
        one.visit(server.address)
        two.visit(server.address)
        first, second = pause(one), pause(two)
        assert first == second

        two.run(MOVE.format("directions-0", -3))
        second = wait_for_another(two, first)

        assert one.run(PICTURE) == first
        assert second != first


class Forger(http.server.BaseHTTPRequestHandler):
    """Another site's page, whose program knows the address."""

    address = ""

    def do_GET(self):
        page = f"""<!doctype html><iframe id="frame" src="{self.address}"></iframe><script>
            const outcomes = {{}};
            fetch("{self.address}command").then(() => "read", () => "refused")
              .then((said) => {{ outcomes.read = said; }});
            fetch("{self.address}command", {{ mode: "no-cors" }})
              .then(() => "answered", () => "refused")
              .then((said) => {{ outcomes.blind = said; }});
            </script>"""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *_):
        pass


def test_another_sites_page_learns_nothing(server, tmp_path):
    Forger.address = server.address
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forger) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        with opened_browser(tmp_path, width=1200) as browser:
            browser.visit(f"http://localhost:{other.server_port}/")
            outcomes = browser.wait("return Object.keys(outcomes).length === 2 && outcomes")
            framed = browser.run(
                'try { return document.getElementById("frame").contentDocument.title }'
                ' catch { return "hidden" }'
            )
        other.shutdown()

    assert outcomes == {"read": "refused", "blind": "refused"}
    assert framed in (None, "hidden")


def test_the_page_says_when_nothing_answers_any_more(toy_motion_path, toy_pca_path, tmp_path):
    explorer = load_explorer(toy_motion_path, pca=toy_pca_path)
    with opened_browser(tmp_path, width=1200) as browser:
        with ExploreServer(explorer, config=ExploreConfig(num_frames=12)) as short:
            threading.Thread(target=short.serve_forever, daemon=True).start()
            browser.visit(short.address)
            pause(browser)
            short.shutdown()
        browser.run(MOVE.format("directions-0", 1))

        note = 'return document.getElementById("note").textContent'
        browser.wait(f'{note}.includes("stopped")')
        told = browser.run(note)

    assert "stopped" in told


def test_frames_are_shown_as_the_server_sends_them(server, tmp_path):
    with opened_browser(tmp_path, width=1200) as browser:
        browser.visit(server.address)
        pause(browser)
        shown = np.array(browser.run(PICTURE).split(","), np.uint8).reshape(16, 16, 4)
        sent = browser.run(
            """const blob = frames[0];
            return new Promise((done) => { const reader = new FileReader();
              reader.onload = () => done(Array.from(new Uint8Array(reader.result)));
              reader.readAsArrayBuffer(blob); })"""
        )

    png = tmp_path / "frame.png"
    png.write_bytes(bytes(sent))
    np.testing.assert_array_equal(shown[..., :3], decode_image(png))


@pytest.mark.parametrize("width", [1200, 390])
def test_pictures_that_are_not_square_are_shown_whole(width, tmp_path):
    wide = StyleGAN2(z_dim=4, w_dim=4, img_resolution=16, channels=[4] * 3, first_size=[4, 7])
    save_generator(wide.freeze(), tmp_path / "wide.safetensors")
    explorer = load_explorer(
        tmp_path / "wide.safetensors", config=ExploreConfig(num_samples=100, num_directions=2)
    )
    with ExploreServer(explorer, config=ExploreConfig(num_frames=12)) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        with opened_browser(tmp_path, width=width) as browser:
            browser.visit(running.address)
            pause(browser)
            shown = browser.run(
                """const canvas = document.getElementById("canvas");
                const box = canvas.getBoundingClientRect();
                return [canvas.width, canvas.height, box.width / box.height]"""
            )
        running.shutdown()

    assert shown[:2] == [28, 16]
    assert shown[2] == pytest.approx(28 / 16, rel=0.02)
