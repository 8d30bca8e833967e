"""The devices' page, with a real Mosquitto and devices that speak to it."""

import json
import re

import pytest_asyncio
from playwright.async_api import expect

from tests.devices import Sent, send
from tests.e2e.page import Listener
from tests.e2e.programs import ROOT
from tests.mosquitto import Broker, broker

EXAMPLE = ROOT / "config/examples/devices.yaml"

#: Milliseconds: the page looks for new plants every five seconds, and the source for its broker nearly as often.
PATIENCE = 15_000


@pytest_asyncio.fixture(loop_scope="session")
async def mosquitto(tmp_path, free_ports):
    """Run a broker."""
    async with broker(tmp_path, free_ports()) as started:
        yield started


async def say(to: Broker, **values: str) -> None:
    """Let devices speak: `oslo_oven_temperature="181"`; what they say is retained, and nothing clears it."""
    await send(
        to.port, *(Sent("plants/" + name.replace("_", "/"), value, retain=True) for name, value in values.items())
    )


def rows(page):
    """Find the rows of the table: device, values, and when it was heard."""
    return page.locator("#body tr")


async def test_page_shows_what_each_device_said_last(run, page, mosquitto):
    """A retained value is there at once, a new one takes its place, and a cleared one leaves."""
    await say(mosquitto, oslo_oven_temperature="181.4", oslo_cooler_humidity="<b>12</b>", lyon_pump_temperature="47")
    bridge = await run(EXAMPLE, {"BROKER": mosquitto.url})
    await page.goto(f"{bridge.url}/#oslo")
    await expect(page.locator("#head th")).to_have_text(["Device", "humidity", "temperature", "Last heard"])
    await expect(rows(page)).to_have_text([re.compile(r"cooler<b>12</b>.\d"), re.compile(r"oven.181\.4\d")])
    await expect(page.locator("#state")).to_have_text("live")
    await say(mosquitto, oslo_oven_temperature="182")
    await expect(rows(page).nth(1)).to_have_text(re.compile(r"oven.182\d"))
    await say(mosquitto, oslo_cooler_humidity="")
    await expect(rows(page)).to_have_text([re.compile(r"oven182\d")])
    await page.get_by_role("link", name="lyon").click()
    await expect(rows(page)).to_have_text([re.compile(r"pump47\d")])
    await expect(page.locator("#notes li")).to_have_count(0)


async def test_page_shows_the_alarms_that_stand(run, page, mosquitto):
    """Of all plants; one that is cleared leaves its list and its row."""
    bridge = await run(EXAMPLE, {"BROKER": mosquitto.url})
    await page.goto(f"{bridge.url}/#oslo")
    await expect(page.locator("#calm")).to_be_visible()
    await say(mosquitto, oslo_oven_temperature="181", oslo_oven_alarm="The <i>door</i> is open", lyon_pump_alarm="dry")
    await expect(page.locator("#alarms li")).to_have_text(
        [re.compile("lyon, pumpdry"), re.compile(r"oslo, ovenThe <i>door</i> is open")]
    )
    await expect(page.locator(".alarmed")).to_have_text("The <i>door</i> is open")
    await say(mosquitto, oslo_oven_alarm="", lyon_pump_alarm="")
    await expect(page.locator("#alarms li")).to_have_count(0)
    await expect(page.locator("#calm")).to_be_visible()
    await expect(rows(page)).to_have_text([re.compile(r"oven181\d")])


async def test_page_tells_when_the_broker_is_gone_and_what_was_lost(run, page, mosquitto):
    """The cause stands above the table until the broker is back; a session that it forgot is a note for each stream."""
    await say(mosquitto, oslo_oven_temperature="181")
    bridge = await run(EXAMPLE, {"BROKER": mosquitto.url})
    await page.goto(bridge.url)
    await expect(rows(page)).to_have_count(1, timeout=PATIENCE)
    await mosquitto.kill()
    await expect(page.locator("#source")).to_have_text(re.compile(r"^The source devices is down since \d.* \S+"))
    await mosquitto.start()
    await expect(page.locator("#source")).to_be_hidden(timeout=PATIENCE)
    for stream in ("plants/oslo", "alarms"):
        told = f"some messages of {stream} are missing (broker_session_lost)"
        await expect(page.locator("#notes li").filter(has_text=told)).to_have_count(1)
    await say(mosquitto, oslo_oven_temperature="190")
    await expect(rows(page)).to_have_text([re.compile(r"oven190\d")])


async def test_page_without_a_broker_says_so(run, page, free_port):
    """Also when no device has ever spoken."""
    bridge = await run(EXAMPLE, {"BROKER": f"mqtt://127.0.0.1:{free_port}"})
    await page.goto(bridge.url)
    await expect(page.locator("#source")).to_have_text(
        re.compile(f"^The source devices is down .*127.0.0.1:{free_port}")
    )
    await expect(page.locator("#state")).to_have_text("waiting for the first device")


async def test_one_device_has_a_stream_of_its_own(run, page, mosquitto):
    """Each value comes under the name of its metric, as the device said it; others' do not."""
    bridge = await run(EXAMPLE, {"BROKER": mosquitto.url})
    await page.goto(f"{bridge.url}/nowhere")
    listener = Listener(page)
    await listener.open("/plants/oslo/oven", "temperature", "humidity", "delete")
    await listener.opened()
    await say(mosquitto, oslo_press_temperature="64", oslo_oven_temperature="181", oslo_oven_humidity="12")
    await say(mosquitto, oslo_oven_temperature="")
    seen = await listener.heard(3)
    assert [(event.name, event.data) for event in seen[:2]] == [("temperature", "181"), ("humidity", "12")]
    assert json.loads(seen[2].data)["metric"] == "temperature"
    assert [event.name for event in seen[2:]] == ["delete"]
