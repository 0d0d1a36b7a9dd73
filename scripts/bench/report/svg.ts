// Line charts as SVG, side by side, with logarithmic axes.

/** A line of a chart. */
export interface Series {
  readonly name: string;
  /** x and y, both above 0. */
  readonly points: readonly (readonly [number, number])[];
  readonly isDashed?: boolean;
}

/** A chart of several lines. */
export interface Chart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
}

const [width, height] = [620, 420];
const margin = { left: 76, right: 20, top: 40, bottom: 92 };
const plot = { width: width - margin.left - margin.right, height: height - margin.top - margin.bottom };
/** Colours that colour-blind readers can distinguish too (Okabe and Ito). */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];

/** Draws charts side by side, with powers of two on the x axis and powers of ten on the y axis. @returns an SVG document */
export function svgOf(charts: readonly Chart[]): string {
  const drawn = charts.map(
    (chart, index) => `<g transform="translate(${index * width} 0)">\n${drawChart(chart)}\n</g>`,
  );
  const total = charts.length * width;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${total} ${height}" width="${total}" height="${height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
${drawn.join('\n')}
</svg>
`;
}

function drawChart({ title, xLabel, yLabel, series }: Chart): string {
  const points = series.flatMap((each) => each.points);
  const xTicks = powers(
    2,
    points.map(([x]) => x),
  );
  const yTicks = powers(
    10,
    points.map(([, y]) => y),
  );
  const x = scale(xTicks, margin.left, plot.width);
  const y = scale(yTicks, margin.top + plot.height, -plot.height);
  const right = margin.left + plot.width;
  const bottom = margin.top + plot.height;
  const middle = margin.top + plot.height / 2;
  return [
    text(margin.left, 24, title, 'font-size="15" font-weight="bold"'),
    ...xTicks.map(
      (tick) =>
        line(x(tick), margin.top, x(tick), bottom) +
        text(x(tick), bottom + 18, label(tick), 'text-anchor="middle"'),
    ),
    ...yTicks.map(
      (tick) =>
        line(margin.left, y(tick), right, y(tick)) +
        text(margin.left - 8, y(tick) + 4, label(tick), 'text-anchor="end"'),
    ),
    text(margin.left + plot.width / 2, bottom + 38, xLabel, 'text-anchor="middle"'),
    text(16, middle, yLabel, `text-anchor="middle" transform="rotate(-90 16 ${round(middle)})"`),
    ...series.map((each, index) => drawSeries(each, colours[index % colours.length]!, x, y)),
    ...series.map((each, index) => legend(each, colours[index % colours.length]!, index, bottom + 54)),
  ].join('\n');
}

type Scale = (value: number) => number;

function drawSeries({ points, isDashed }: Series, colour: string, x: Scale, y: Scale): string {
  const at = points.map(([px, py]) => `${round(x(px))},${round(y(py))}`);
  const dots = isDashed ? [] : at.map((each) => dot(each, colour));
  return `<polyline points="${at.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"${dash(isDashed)}/>${dots.join('')}`;
}

function dot(at: string, colour: string): string {
  const [cx, cy] = at.split(',');
  return `<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`;
}

function legend({ name, isDashed }: Series, colour: string, index: number, top: number): string {
  const left = margin.left + (index % 2) * (plot.width / 2);
  const at = round(top + Math.floor(index / 2) * 16);
  const mark = `<line x1="${left}" y1="${at}" x2="${left + 24}" y2="${at}" stroke="${colour}" stroke-width="2"${dash(isDashed)}/>`;
  return mark + text(left + 30, at + 4, name, '');
}

function dash(isDashed: boolean | undefined): string {
  return isDashed ? ' stroke-dasharray="6 4"' : '';
}

/** The powers of a base from just below the least value to just above the greatest. */
function powers(base: number, values: readonly number[]): number[] {
  const exponent = (value: number) => Math.log(value) / Math.log(base);
  // The small term absorbs rounding errors: log(1000) / log(10) is a little under 3.
  const first = Math.floor(exponent(Math.min(...values)) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(exponent(Math.max(...values)) - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, index) => base ** (first + index));
}

function scale(ticks: readonly number[], from: number, length: number): Scale {
  const [first, last] = [Math.log(ticks[0]!), Math.log(ticks.at(-1)!)];
  return (value) => from + ((Math.log(value) - first) / (last - first)) * length;
}

function label(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: 3 });
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="#ddd"/>`;
}

function text(x: number, y: number, content: string, attributes: string): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${round(x)}" y="${round(y)}" fill="#222" ${attributes}>${escaped}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
