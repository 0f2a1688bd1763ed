"""python-socketio on uvicorn + sqlite3: one commit for each status."""

from __future__ import annotations

import os
from typing import Any

import socketio
import uvicorn
from orders import Send, Store

server = socketio.AsyncServer(async_mode="asgi", transports=["websocket"])
app = socketio.ASGIApp(server)
store = Store()


@server.event
async def connect(sid: str, _environ: dict[str, Any], auth: dict[str, str]) -> None:
    await server.save_session(sid, {"userId": auth["userId"]})
    await server.enter_room(sid, auth["userId"])


@server.event
async def send(sid: str, data: dict[str, Any]) -> dict[str, str]:
    user_id = (await server.get_session(sid))["userId"]
    try:
        checked = Send.model_validate(data)
        receiver_id = store.commit(user_id, checked)
    except ValueError as error:
        return {"type": "error", "reason": str(error)}
    await server.emit("status", checked.model_dump(), to=receiver_id)
    return {"type": "ack", "messageId": checked.message_id}


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        ws_per_message_deflate=False,
        log_level="warning",
    )
