// Keeps the mark of the feed fresh on every page, and says at once what its reader wants to be told of.

const feed = document.getElementById("feed-tool");
let feedSource = null;

function feedTold(event) {
  const { unread, label, text } = JSON.parse(event.data);
  const count = feed.querySelector(".count");
  count.textContent = unread;
  count.hidden = unread === "0";
  feed.setAttribute("aria-label", label);
  if (text) toast(text);
}

function feedListen() {
  if (feedSource) return;
  feedSource = new EventSource(feed.dataset.feed);
  feedSource.addEventListener("feed", feedTold);
}

function feedRest() {
  feedSource?.close();
  feedSource = null;
}

if (feed) {
  document.addEventListener("visibilitychange", () => (document.hidden ? feedRest() : feedListen()));
  addEventListener("pagehide", feedRest);
  if (!document.hidden) feedListen();
}
