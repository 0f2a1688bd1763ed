// What the two `ws` servers share: who is connected, and the frames.
'use strict';
const {WebSocketServer} = require('ws');

// Serve WebSockets; `onMessage(user, socket, text)` is called for each message.
function serve(onMessage) {
  const connections = new Map();
  const options = {host: '127.0.0.1', port: Number(process.env.PORT), backlog: 2048, perMessageDeflate: false};
  new WebSocketServer(options).on('connection', (socket, request) => {
    const user = new URL(request.url, 'http://localhost').searchParams.get('userId');
    connections.set(user, socket);
    socket.on('error', () => {});
    socket.on('close', () => connections.get(user) === socket && connections.delete(user));
    socket.on('message', (data) => onMessage(user, socket, data.toString()));
  });
  return connections;
}

const acknowledge = (socket, send) => socket.send(JSON.stringify({type: 'ack', messageId: send.messageId}));

const pass = (socket, send) =>
  socket?.send(JSON.stringify({type: 'status', messageId: send.messageId, orderStatus: send.orderStatus}));

const reject = (socket, error) => socket.send(JSON.stringify({type: 'error', reason: error.message}));

module.exports = {serve, acknowledge, pass, reject};
