// Theme, copying, picking rows, and charts. Pages work without it: charts' figures stand in tables.
"use strict";

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const dark = () => css("color-scheme").includes("dark");
const say = (text) => { const place = document.getElementById("status"); if (place) place.textContent = text; };

// --- theme: the system's until somebody chooses; the server reads the cookie, so nothing flickers
const toggle = document.getElementById("theme");
const nameToggle = () => { toggle.textContent = dark() ? "Light" : "Dark"; toggle.setAttribute("aria-label", `Use the ${dark() ? "light" : "dark"} theme`); };
toggle.hidden = false;
nameToggle();
toggle.addEventListener("click", () => {
  const next = dark() ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  document.cookie = `theme=${next}; path=/; max-age=31536000; samesite=lax`;
  nameToggle();
  redraw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { nameToggle(); redraw(); });

// --- copy buttons, and picking rows to compare
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  say("Address copied");
  button.textContent = "copied";
  setTimeout(() => { button.textContent = "copy"; }, 1500);
});
function countPicks(form) {
  const button = form.querySelector("[data-picks]");
  if (!button) return;
  const boxes = [...form.querySelectorAll("input[name=ids]")];
  const [least, most] = button.dataset.picks.split(" ").map(Number);
  const picked = boxes.filter((box) => box.checked);
  button.disabled = picked.length < least;
  const note = button.querySelector(".picked"), text = picked.length ? `\u00a0${picked.length}` : "";
  // Written only when it changes: whatever is written is seen as a change of the page again.
  if (note.textContent !== text) note.textContent = text;
  for (const box of boxes) {
    box.disabled = !box.checked && picked.length >= most;
    box.closest("tr")?.classList.toggle("picked", box.checked);
  }
}
document.addEventListener("change", (event) => { if (event.target.name === "ids") countPicks(event.target.form); });

// --- sliders: the number beside them can be typed, and what it means in dollars stands below
const usd = (value) => `${value.toLocaleString("en-US", { maximumFractionDigits: value < 1000 ? 2 : 0 })} USD`;
function typed(slider) {
  const range = slider.querySelector("input[type=range]"), output = slider.querySelector("output"), number = document.createElement("input");
  const { least, most } = slider.dataset;
  Object.assign(number, { type: "number", min: least, max: most, step: "any", value: range.value });
  number.setAttribute("aria-label", slider.querySelector("label").textContent);
  output.replaceWith(number);
  range.addEventListener("input", () => { number.value = range.value; });
  number.addEventListener("input", () => {
    const value = Number(number.value);
    if (number.value === "" || !(value >= Number(least) && value <= Number(most))) return;
    // What the slider would round, or cannot reach, is kept as it was typed.
    if (value < Number(range.min) || value > Number(range.max)) Object.assign(range, { min: least, max: most });
    range.step = "any";
    range.value = number.value;
    range.form.dispatchEvent(new Event("effect"));
  });
}
function effects(form) {
  const value = (name) => Number(String(form.elements[name]?.value ?? "").replace(/[ ,]/g, ""));
  const put = (name, text) => { const place = form.querySelector(`[data-effect=${name}]`); if (place) place.textContent = text; };
  const size = value("base_size_usd") * value("position_multiplier"), capital = value("paper_capital_usd");
  if (size > 0) put("position_multiplier", `${usd(size)} a position${capital >= size ? `; ${Math.floor(capital / size)} fit into ${usd(capital)}` : "; more than the account holds"}.`);
  if (capital > 0) put("max_leverage", `With ${usd(capital)} of its own, a leader may hold ${usd(capital * value("max_leverage"))}.`);
  const levels = JSON.parse(form.dataset.levels || "{}").confidence ?? [];
  const through = levels.filter((one) => one !== null && one >= value("min_confidence")).length;
  put("min_confidence", levels.length ? `${through} of the last ${levels.length} openings have it${size > 0 ? `: ${usd(through * size)} of copies` : ""}.` : "");
  for (const notice of form.querySelectorAll("[data-warns]")) notice.hidden = value(notice.dataset.warns) <= Number(notice.dataset.above);
}
function settings(form) {
  for (const slider of form.querySelectorAll("[data-slider]")) typed(slider);
  for (const kind of ["input", "effect"]) form.addEventListener(kind, () => effects(form));
  effects(form);
  const coins = form.querySelector("[data-coins]"), search = coins?.querySelector("[data-search]");
  if (!search) return;
  search.parentElement.hidden = false;
  search.addEventListener("input", () => { for (const label of coins.querySelectorAll(".boxes label")) label.hidden = !label.textContent.toLowerCase().includes(search.value.trim().toLowerCase()); });
  search.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
  coins.addEventListener("change", (event) => {
    const mode = (name) => coins.querySelector(`[name=coin_mode][value=${name}]`);
    if (event.target.name === "coins" && event.target.checked && mode("all").checked) mode("only").checked = true;
    if (event.target.value === "all") for (const box of coins.querySelectorAll("[name=coins]")) box.checked = false;
  });
}

// --- charts: the server sends numbers, here they get axes and colours
const palette = () => [1, 2, 3, 4, 5, 6, 7, 8].map((n) => css(`--c${n}`));
const still = matchMedia("(prefers-reduced-motion: reduce)");
const day = (ms) => new Date(ms).toISOString().slice(0, 10);
const hour = (ms) => new Date(ms).toISOString().slice(5, 16).replace("T", " ");
const minute = (ms) => new Date(ms).toISOString().slice(0, 16).replace("T", " ");
function shown(value, unit) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (unit === "%") return `${(value * 100).toFixed(size < 1 ? 1 : 0)} %`;
  for (const [step, letter] of [[1e9, "B"], [1e6, "M"], [1e3, "k"]]) if (size >= step) return `${Number((value / step).toFixed(size >= 100 * step ? 1 : 2))} ${letter}`;
  return size >= 10 || value === 0 ? value.toFixed(0) : value.toFixed(2);
}
function frame(data) {
  const text = { color: css("--muted"), fontFamily: css("--sans"), fontSize: 11.5 };
  return {
    animation: !still.matches && data.animate === true, color: palette(), textStyle: text, backgroundColor: "transparent",
    legend: { show: data.series.length > 1, top: 0, left: 8, itemWidth: 14, itemHeight: 8, icon: "roundRect", textStyle: { color: css("--text"), fontSize: 12 } },
    tooltip: { renderMode: "richText", trigger: "axis", confine: true, backgroundColor: css("--surface"), borderColor: css("--line-strong"), textStyle: { color: css("--text"), fontSize: 12 }, axisPointer: { type: "line", lineStyle: { color: css("--line-strong") } } },
  };
}
const axisLook = () => ({ axisLine: { lineStyle: { color: css("--line-strong") } }, axisTick: { show: false }, axisLabel: { color: css("--muted"), hideOverlap: true }, splitLine: { lineStyle: { color: css("--line") } } });
function timeOption(data) {
  const axes = [...new Set(data.series.map((one) => one.unit))];
  const label = data.step === "hour" ? minute : day;
  const panes = data.panes ? axes.length : 1;
  const grids = panes === 1 ? [{ left: 62, right: axes.length > 1 ? 58 : 36, top: data.series.length > 1 ? 34 : 14, bottom: 28, outerBoundsMode: "none" }]
    : axes.map((_, n) => ({ left: 62, right: 36, top: n ? "68%" : 34, bottom: n ? 28 : "38%", outerBoundsMode: "none" }));
  return {
    ...frame(data), grid: grids,
    axisPointer: { link: [{ xAxisIndex: "all" }] },
    xAxis: grids.map((_, n) => ({ ...axisLook(), gridIndex: n, type: "category", boundaryGap: data.series.some((one) => one.shape === "bar"), data: data.x.map(label), splitLine: { show: false }, axisLabel: { ...axisLook().axisLabel, show: n === grids.length - 1 } })),
    yAxis: axes.map((unit, n) => ({ ...axisLook(), gridIndex: panes > 1 ? n : 0, type: "value", scale: unit !== "%" && !data.series.some((one) => one.shape === "bar"), splitNumber: n ? 2 : 4, position: panes === 1 && n ? "right" : "left", axisLabel: { color: css("--muted"), formatter: (value) => shown(value, unit) } })),
    series: data.series.map((one) => {
      const n = axes.indexOf(one.unit), tone = one.tone && css(`--${one.tone}`);
      return {
        name: one.name, type: one.shape === "bar" ? "bar" : "line", data: one.values, xAxisIndex: panes > 1 ? n : 0, yAxisIndex: n,
        step: one.shape === "step" ? "end" : undefined, symbol: data.x.length > 40 ? "none" : "circle", symbolSize: 4, lineStyle: { width: 1.6 }, stack: one.stack, barMaxWidth: 18,
        areaStyle: one.shape === "area" ? { opacity: .14 } : undefined, itemStyle: tone ? { color: tone } : undefined, tooltip: { valueFormatter: (value) => shown(value, one.unit) },
      };
    }),
  };
}
function radarOption(data) {
  return {
    ...frame(data), tooltip: { ...frame(data).tooltip, trigger: "item" }, legend: { ...frame(data).legend, bottom: 0, top: undefined, left: "center" },
    radar: { indicator: data.axes.map((name) => ({ name, max: 1, min: 0 })), radius: "62%", center: ["50%", "46%"], splitNumber: 4, axisName: { color: css("--text"), fontSize: 12 }, axisLine: { lineStyle: { color: css("--line-strong") } }, splitLine: { lineStyle: { color: css("--line-strong") } }, splitArea: { show: false } },
    series: [{ type: "radar", symbolSize: 4, lineStyle: { width: 1.8 }, areaStyle: { opacity: .06 }, data: data.series.map((one) => ({ name: one.name, value: one.values.map((value) => value ?? "-") })), tooltip: { valueFormatter: (value) => shown(value, "%") } }],
  };
}
function heatOption(data) {
  data.labels ??= data.times.map(hour);
  return {
    ...frame(data), tooltip: { ...frame(data).tooltip, trigger: "item", formatter: (point) => `${data.y[point.value[1]]}, ${data.labels[point.value[0]]}: ${shown(point.value[2], data.unit)}` },
    grid: { left: 84, right: 16, top: 8, bottom: 56 },
    xAxis: { ...axisLook(), type: "category", data: data.labels, splitArea: { show: false } }, yAxis: { ...axisLook(), type: "category", data: data.y, inverse: true },
    visualMap: { min: data.min, max: data.max, orient: "horizontal", left: "center", bottom: 0, itemWidth: 10, itemHeight: 120, textStyle: { color: css("--muted") }, text: [shown(data.max, data.unit), shown(data.min, data.unit)], inRange: { color: data.min < 0 ? [css("--loss"), css("--surface"), css("--gain")] : [css("--raised"), css("--c2")] } },
    series: [{ type: "heatmap", data: data.cells, itemStyle: { borderColor: css("--surface"), borderWidth: 1 } }],
  };
}
const options = { time: timeOption, radar: radarOption, heat: heatOption };
const drawn = new Map();
async function draw(place) {
  place.dataset.state = "asked";
  try {
    const answer = await fetch(place.dataset.src, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(answer.status);
    place.chartData = await answer.json();
    paint(place);
  } catch (error) {
    place.dataset.failed = "1";
  }
}
function paint(place) {
  drawn.get(place)?.dispose();
  const chart = echarts.init(place, null, { renderer: "canvas" });
  drawn.set(place, chart);
  chart.on("finished", () => { place.dataset.ready = "1"; });
  chart.setOption(options[place.chartData.kind](place.chartData));
}
function redraw() { for (const place of drawn.keys()) if (place.isConnected && place.chartData) paint(place); }
const sizes = new ResizeObserver((entries) => { for (const entry of entries) drawn.get(entry.target)?.resize(); });
function dress(root) {
  for (const place of root.querySelectorAll(".chart:not([data-state])")) { sizes.observe(place); draw(place); }
  for (const button of root.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
  for (const button of root.querySelectorAll("[data-picks]")) countPicks(button.form);
  for (const form of root.querySelectorAll("form.settings:not([data-dressed])")) { form.dataset.dressed = "1"; settings(form); }
}
dress(document);
new MutationObserver((changes) => {
  for (const [place, chart] of drawn) if (!place.isConnected) { chart.dispose(); drawn.delete(place); }
  if (changes.some((change) => change.addedNodes.length)) dress(document);
}).observe(document.body, { childList: true, subtree: true });
