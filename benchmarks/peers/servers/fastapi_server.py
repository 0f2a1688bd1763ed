"""FastAPI on uvicorn + sqlite3: one commit for each status."""

from __future__ import annotations

import os

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from orders import Send, Store

app = FastAPI()
store = Store()
connections: dict[str, WebSocket] = {}


@app.websocket("/order")
async def order(socket: WebSocket) -> None:
    user_id = socket.query_params["userId"]
    await socket.accept()
    connections[user_id] = socket
    try:
        while True:
            await handle(user_id, socket, await socket.receive_text())
    except WebSocketDisconnect:
        pass
    finally:
        if connections.get(user_id) is socket:
            del connections[user_id]


async def handle(user_id: str, socket: WebSocket, text: str) -> None:
    try:
        send = Send.model_validate_json(text)
        receiver_id = store.commit(user_id, send)
    except ValueError as error:
        await socket.send_json({"type": "error", "reason": str(error)})
        return
    await socket.send_json({"type": "ack", "messageId": send.message_id})
    receiver = connections.get(receiver_id)
    if receiver is not None:
        await receiver.send_json({"type": "status", **send.model_dump()})


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        ws_per_message_deflate=False,
        log_level="warning",
    )
