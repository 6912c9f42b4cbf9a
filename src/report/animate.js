// Moves a dot along every trajectory, all pictures at one time. The positions are the vertices of the lines themselves.
(() => {
  const lines = [...document.querySelectorAll("path[data-t]")];
  const control = document.querySelector(".motion");
  if (!lines.length || !control) return;
  const pictures = lines.map((line) => {
    const times = line.dataset.t.split(" ").map(Number);
    const ways = [];
    let x = 0, y = 0, letter = "", pending = [];
    for (const token of line.getAttribute("d").match(/[Mml]|-?\d+/g)) {
      if (isNaN(token)) { letter = token; continue; }
      pending.push(+token);
      if (pending.length < 2) continue;
      const [a, b] = pending;
      pending = [];
      [x, y] = letter === "M" ? [a, b] : [x + a, y + b];
      if (letter === "l") ways.at(-1).push([x, y]); else ways.push([[x, y]]);
      letter = "l";
    }
    const dots = line.cloneNode();
    dots.removeAttribute("data-t");
    dots.setAttribute("class", line.getAttribute("class").replace("l thin", "now"));
    dots.setAttribute("d", "");
    line.parentNode.append(dots);
    return { times, ways: ways.filter((w) => w.length === times.length), dots };
  });
  const [button, slider, output] = control.querySelectorAll("button, input, output");
  const end = Math.max(...pictures.map((p) => p.times.at(-1)));
  slider.max = end;
  slider.step = end / 500;
  const show = () => {
    const t = +slider.value;
    output.value = "t = " + t.toFixed(2);
    for (const { times, ways, dots } of pictures) {
      let k = times.findIndex((s) => s >= t);
      k = k < 0 ? times.length - 1 : Math.max(k, 1);
      const u = Math.min(1, Math.max(0, (t - times[k - 1]) / (times[k] - times[k - 1])));
      dots.setAttribute("d", ways.map((w) => {
        const [a, b] = [w[k - 1], w[k]];
        return `M${Math.round(a[0] + u * (b[0] - a[0]))} ${Math.round(a[1] + u * (b[1] - a[1]))}h0`;
      }).join(""));
    }
  };
  let last = null;
  const frame = (now) => {
    if (last === null) return;
    slider.value = Math.min(end, +slider.value + end * (now - last) / 4000);
    last = now;
    show();
    if (+slider.value >= end) stop(); else requestAnimationFrame(frame);
  };
  const stop = () => { last = null; button.textContent = "▶"; button.setAttribute("aria-label", "play"); };
  button.addEventListener("click", () => {
    if (last !== null) return stop();
    if (+slider.value >= end) slider.value = 0;
    last = performance.now();
    button.textContent = "❚❚";
    button.setAttribute("aria-label", "pause");
    requestAnimationFrame(frame);
  });
  slider.addEventListener("input", () => { stop(); show(); });
  control.hidden = false;
})();
