// Node `ws` + better-sqlite3: one commit for each status.
'use strict';
const {check, open} = require('./orders'), {serve, acknowledge, pass, reject} = require('./connections');

const store = open(), commit = store.transaction(store.write);

const connections = serve((user, socket, text) => {
  let send, receiver;
  try {
    send = check(JSON.parse(text));
    receiver = commit(user, send);
  } catch (error) {
    return reject(socket, error);
  }
  acknowledge(socket, send);
  pass(connections.get(receiver), send);
});
