// What people see who have no account: sending addresses, whether an e-mail is genuine, and the pages of customers of
// changeovers, a public mailing and the list of all: accessible by axe, as wide as the screen, without scripts of any kind.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { axe, LOOKS, lookName, Office, overflow, shot } from "./desk.js";

const office = await Office.open();
const paths = JSON.parse(await office.order("strangers"));
after(() => office.close());

const nameOf = (path) => path.replaceAll(/([a-z]{3})_[0-9a-hjkmnp-tv-z]{26}/g, "$1").replaceAll(/[\w-]{60,}/g, "link");

/** A mail as a page: held in a sandbox, where no script runs, not even that of axe. */
const isMail = (path) => path.startsWith("/mailing/");

/** Takes the sandbox of a mail away, once it has been seen. */
const open = (page) => page.route((u) => isMail(u.pathname), async (route) => {
  const response = await route.fetch();
  assert.match(response.headers()["content-security-policy"], /^default-src 'none'; .*; sandbox /);
  await route.fulfill({ response, headers: { ...response.headers(), "content-security-policy": "default-src 'none'; img-src https: data:; style-src 'unsafe-inline'" } });
});

for (const look of LOOKS) {
  describe(lookName(look), { concurrency: false }, () => {
    paths.forEach((path, n) => test(`${n} ${nameOf(path)}`, async () => {
      const { context, page, complaints, go } = await office.desk({ ...look, who: "" });
      await open(page);
      await go(path);
      await shot(page, lookName(look), `public ${n} ${nameOf(path)}`);
      // A mail knows no landmarks.
      assert.deepEqual((await axe(page)).filter((v) => !isMail(path) || !/^(landmark-one-main|region):/.test(v)), []);
      assert.ok((await overflow(page)) <= 0, "wider than the screen");
      assert.equal(await page.locator("script").count(), 0, "it has a script");
      assert.ok(await page.locator("h1").isVisible());
      assert.deepEqual(complaints, []);
      await context.close();
    }));
  });
}
