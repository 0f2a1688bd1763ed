// Node socket.io + better-sqlite3: one commit for each status.
'use strict';
const http = require('http'), {Server} = require('socket.io'), {check, open} = require('./orders');

const store = open(), commit = store.transaction(store.write), server = http.createServer();
const io = new Server(server, {transports: ['websocket'], serveClient: false});

io.on('connection', (socket) => {
  const user = socket.handshake.auth.userId;
  socket.join(user);
  socket.on('send', (send, acknowledge) => {
    let receiver;
    try {
      receiver = commit(user, check(send));
    } catch (error) {
      return acknowledge({type: 'error', reason: error.message});
    }
    acknowledge({type: 'ack', messageId: send.messageId});
    io.to(receiver).emit('status', {messageId: send.messageId, orderStatus: send.orderStatus});
  });
});
server.listen(Number(process.env.PORT), '127.0.0.1', 2048);
