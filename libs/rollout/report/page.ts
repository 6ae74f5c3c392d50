import { Html, html, moment, type Value } from './html.ts';

/** Loads nothing. Paper gets numbered pages, heads of tables on each, and no row that is cut in two. */
const STYLE = new Html(`<style>
  body { font: 11pt/1.4 system-ui, sans-serif; margin: 2rem auto; padding: 0 1rem; max-width: 72rem; }
  h1 { font-size: 1.5rem; margin-bottom: .25rem; overflow-wrap: anywhere; }
  h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid #999; }
  h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
  p { overflow-wrap: anywhere; }
  dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .2rem 1rem; }
  dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
  .wide { overflow-x: auto; }
  table { border-collapse: collapse; width: 100%; font-size: .9em; }
  th, td { text-align: left; vertical-align: top; padding: .25rem .5rem; border: 1px solid #9998; }
  th { background: #9993; } td { overflow-wrap: anywhere; min-width: 4.5rem; }
  td:has(.word) { min-width: 0; } .word, time { white-space: nowrap; }
  code { font-size: .85em; overflow-wrap: anywhere; }
  @media screen { :root { color-scheme: light dark; } }
  @media screen and (max-width: 40rem) { dl { display: block; } dd { margin-bottom: .5rem; } }
  @page { size: A4; margin: 16mm 14mm 18mm; @bottom-right { content: "page " counter(page) " of " counter(pages); font: 8pt sans-serif; } }
  @media print {
    body { margin: 0; padding: 0; max-width: none; font-size: 8.5pt; }
    h2, h3, dl:has(+ h3) { break-after: avoid; } table { font-size: 1em; } tr, dt, dd { break-inside: avoid; } thead { display: table-header-group; }
    .wide { overflow: visible; } th { print-color-adjust: exact; }
  }
</style>`);

export interface Page {
  readonly title: string;
  readonly organization: string;
  readonly made: Date;
  readonly maker: string;
  /** Letters, digits and hyphens that stand at the foot of each sheet of paper. */
  readonly foot: string;
}

const footOf = (foot: string): Html =>
  new Html(
    `<style>@page { @bottom-left { content: "${foot.replaceAll(/[^\w -]/g, '')}"; font: 8pt sans-serif; } }</style>`,
  );

export function pageOf({ title, organization, made, maker, foot }: Page, sections: readonly Html[]): string {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>${title}</title>
        ${STYLE} ${footOf(foot)}
      </head>
      <body>
        <h1>${title}</h1>
        <p>${organization}. As it stood on ${moment(made)}, asked for by ${maker}. All times are UTC.</p>
        ${sections}
      </body>
    </html>`;
  return page.text;
}

export const section = (title: string, content: Html): Html =>
  html`<section>
    <h2>${title}</h2>
    ${content}
  </section>`;

/** What is known, as name and value; what is not is left out. */
export function list(facts: readonly (readonly [string, Value])[]): Html {
  const known = facts.filter(([, value]) => value !== null && value !== undefined && value !== '');
  return html`<dl>
    ${known.map(
      ([name, value]) =>
        html`<dt>${name}</dt>
          <dd>${value}</dd>`,
    )}
  </dl>`;
}
