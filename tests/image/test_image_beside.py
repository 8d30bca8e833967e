"""The bridge's container beside an application's, as the Compose file has them."""

from tests.deploy.test_compose import COMPOSE
from tests.image.containers import HARDENED, STATE, env, mounted
from tests.image.test_image_run import first_event

APP = "localhost/sse-bridge-test-app:latest"


async def test_an_applications_log_is_read_through_a_shared_volume(podman, tmp_path, free_ports):
    """Each is a user of its own; the brokers of the set-up are not there, and nobody waits for them."""
    app, listen, admin = (free_ports() for _ in range(3))
    # A volume is one folder that two containers see: podman names it, and takes it away with the last of them.
    volume = f"sse-bridge-test-{tmp_path.name.replace('_', '-')}"
    places = {
        "LISTEN": f"127.0.0.1:{listen}",
        "ADMIN": f"127.0.0.1:{admin}",
        "APP": f"http://127.0.0.1:{app}",
        "MQTT": f"mqtt://127.0.0.1:{free_ports()}",
        "KAFKA": f"127.0.0.1:{free_ports()}",
        "STATE": STATE,
    }
    await podman("build", "--quiet", "--pull-never", "--format=docker", f"--tag={APP}", str(COMPOSE / "app"))
    command = ["python", "-u", "/app/app.py", f"--port={app}", "--log=/var/log/app/app.log"]
    try:
        async with (
            podman.running(*command, image=APP, options=[*HARDENED, f"--volume={volume}:/var/log/app"]),
            podman.running(
                options=[
                    *HARDENED,
                    *env(places),
                    mounted(COMPOSE / "routes.yaml"),
                    f"--volume={volume}:/var/log/app:ro",
                    f"--volume={volume}-state:{STATE}",
                ]
            ) as bridge,
        ):
            await bridge.until_healthy()
            status, _, body = await bridge.get(f"http://127.0.0.1:{listen}/")
            assert (status, "<title>Plant</title>" in body) == (200, True)
            assert b"GET / HTTP" in await first_event(f"http://127.0.0.1:{listen}/logs/app")
    finally:
        await podman("volume", "rm", "--force", volume, f"{volume}-state")
