// look.js ADDRESS FOLDER [ORIGIN NAME VALUE]: opens a page at the width of a phone and of a desk, with a cookie if
// one is given, and prints it. Says as JSON what it looks like; leaves pictures and PDF files in the folder.
import chromium from "@sparticuz/chromium";
import puppeteer from "puppeteer-core";

const [address, folder, url, name, value] = process.argv.slice(2);
const browser = await puppeteer.launch({
  args: chromium.args,
  executablePath: await chromium.executablePath(),
  headless: "shell",
});
const found = { problems: [] };
try {
  const tab = await browser.newPage();
  if (url) await tab.setCookie({ url, name, value });
  tab.on("console", (message) => message.type() === "error" && found.problems.push(message.text()));
  tab.on("request", (request) => request.url().startsWith(address) || found.problems.push(request.url()));
  for (const [device, width, height] of [["phone", 390, 844], ["desktop", 1100, 1500]]) {
    await tab.setViewport({ width, height });
    await tab.goto(address, { waitUntil: "load" });
    found[device] = await tab.evaluate(() => {
      const title = document.createRange();
      title.selectNodeContents(document.querySelector("h1"));
      return {
        width: document.documentElement.scrollWidth,
        text: document.body.innerText,
        titleWidth: title.getBoundingClientRect().width, // without a font there are no letters
        beyond: [...document.body.querySelectorAll("*")]
          .filter((one) => !one.closest("svg") && one.getBoundingClientRect().right > innerWidth + 1)
          .map((one) => one.outerHTML.slice(0, 80)),
      };
    });
    await tab.screenshot({ path: `${folder}/${device}.png` });
  }
  for (const format of ["A4", "Letter"]) {
    await tab.pdf({ path: `${folder}/${format}.pdf`, format, printBackground: true });
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(found));
