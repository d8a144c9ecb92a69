// Bars, drawn as SVG: a picture for the eye, and the same numbers as a table for everybody else.

import { useMediaQuery } from "@mantine/hooks";
import { roundUp } from "./numbers";

export interface Bar {
  key: string;
  label: string;
  /** Marks the bar of this moment. */
  now?: boolean;
  parts: { kind: "good" | "bad" | "calm" | "coming"; name: string; value: number }[];
}

const LEFT = 34;
const BOTTOM = 20;
const TOP = 8;
/** In units of the picture, near to pixels: letters keep their size. */
const SIZES = { wide: { width: 1200, height: 190, label: 46 }, narrow: { width: 380, height: 170, label: 52 } };

interface Props {
  bars: Bar[];
  unit: string;
  empty: string;
  size?: keyof typeof SIZES;
}

export function Bars({ bars, unit, empty, size = "narrow" }: Props) {
  const isPhone = useMediaQuery("(max-width: 640px)");
  const { width, height, label } = SIZES[isPhone ? "narrow" : size];
  const total = (bar: Bar) => bar.parts.reduce((sum, part) => sum + part.value, 0);
  const highest = Math.max(0, ...bars.map(total));
  if (highest === 0) return <p className="muted nothing">{empty}</p>;
  const top = roundUp(highest);
  const names = bars[0]?.parts ?? [];
  const room = (width - LEFT) / bars.length;
  const scale = (height - BOTTOM - TOP) / top;
  const each = Math.ceil(label / room);
  return (
    <div className="bars">
      {names.length > 1 && (
        <p className="legend" aria-hidden="true">
          {names.map(({ kind, name }) => (
            <span key={kind} className={`key key-${kind}`}>
              {name}
            </span>
          ))}
        </p>
      )}
      <svg viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
        {[...new Set([0, top / 2, top])]
          .filter((tick) => Number.isInteger(tick))
          .map((tick) => {
            const y = height - BOTTOM - tick * scale;
            return (
              <g key={tick}>
                <line x1={LEFT} x2={width} y1={y} y2={y} className="grid" />
                <text x={LEFT - 6} y={y + 4} className="axis end">
                  {tick.toLocaleString("en")}
                </text>
              </g>
            );
          })}
        {bars.map((bar, index) => {
          let y = height - BOTTOM;
          const x = LEFT + index * room;
          return (
            <g key={bar.key}>
              <title>{said(bar, unit)}</title>
              <rect
                x={x}
                y={TOP}
                width={room}
                height={height - BOTTOM - TOP}
                className={bar.now ? "slot now" : "slot"}
              />
              {bar.parts.map(({ kind, value }) => {
                const tall = value === 0 ? 0 : Math.max(value * scale, 1.5);
                y -= tall;
                return (
                  <rect
                    key={kind}
                    x={x + room * 0.14}
                    y={y}
                    width={room * 0.72}
                    height={tall}
                    className={`fill-${kind}`}
                  />
                );
              })}
              {index % each === 0 && (
                <text x={x + room / 2} y={height - 5} className="axis middle">
                  {bar.label}
                </text>
              )}
            </g>
          );
        })}
      </svg>
      <details className="numbers">
        <summary>As a table</summary>
        <table>
          <thead>
            <tr>
              <td />
              {names.map(({ name }) => (
                <th scope="col" key={name}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {bars.map((bar) => (
              <tr key={bar.key}>
                <th scope="row">{bar.label}</th>
                {bar.parts.map(({ name, value }) => (
                  <td key={name}>{value.toLocaleString("en")}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </div>
  );
}

function said(bar: Bar, unit: string): string {
  const parts = bar.parts.map(({ name, value }) => `${value.toLocaleString("en")} ${name}`);
  return `${bar.label}: ${bar.parts.length > 1 ? `${parts.join(", ")} ${unit}` : parts.join("")}`;
}
