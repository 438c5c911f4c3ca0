// Fetches the page anew when mail has come, and replaces what changed.
const news = new EventSource("/live");
news.addEventListener("mail", async () => {
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ["boxes", "list"]) {
    const old = document.getElementById(id);
    const now = fresh.getElementById(id);
    if (old && now) old.replaceWith(now);
  }
});
