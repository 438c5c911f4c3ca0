// The live trace: what is said with receiving servers, line by line.

/** Shows a live trace line by line, until it is over or the reader pauses it. */
function follow(tape) {
  const LINES = 1000;
  const state = document.getElementById("tape-state");
  const button = document.getElementById("tape-pause");
  let stream = null;
  const say = (word) => { state.textContent = state.dataset[word]; };
  const end = (word) => {
    stream?.close();
    stream = null;
    button.textContent = button.dataset.resume;
    say(word);
  };
  const add = (event) => {
    const atEnd = tape.scrollHeight - tape.scrollTop - tape.clientHeight < 40;
    tape.append(`${event.data}\n`);
    while (tape.childNodes.length > LINES) tape.firstChild.remove();
    if (atEnd) tape.scrollTop = tape.scrollHeight;
  };
  const begin = () => {
    stream = new EventSource(tape.dataset.stream);
    for (const kind of ["began", "said", "ended", "lost"]) stream.addEventListener(kind, add);
    stream.addEventListener("open", () => say("live"));
    stream.addEventListener("over", () => end("over"));
    stream.addEventListener("error", () => stream?.readyState === EventSource.CLOSED && end("failed"));
    button.textContent = button.dataset.pause;
  };
  button.hidden = false;
  button.addEventListener("click", () => (stream ? end("paused") : begin()));
  addEventListener("pagehide", () => stream && end("paused"));
  begin();
}
const tape = document.querySelector("#tape[data-stream]");
if (tape) follow(tape);
