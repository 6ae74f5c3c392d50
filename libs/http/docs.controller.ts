import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Controller, Get, Header } from '@nestjs/common';
import { Public } from '#access';
import { faultCatalogue } from '#kernel';
import { Answers } from './answers.ts';
import { OpenApi } from './open-api.ts';
import { statusOf } from './problem.ts';

const WHY = 'the API and its documents are the same in every deployment and name nothing of this one';
/** Only what Swagger UI needs: its own files, inline styles and data images, and reading the document. */
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The API's document and its pages. They work without the internet: every file comes from this process. */
@Controller()
export class DocsController {
  constructor(private readonly openApi: OpenApi) {}

  @Get('api/v1/openapi.json')
  @Public(WHY)
  @Answers(undefined, {
    contentType: 'application/json',
    description: 'The OpenAPI 3.1 document of this API.',
  })
  document(): string {
    return this.openApi.json();
  }

  @Get('api/docs')
  @Header('content-security-policy', PAGE_POLICY)
  @Public(WHY)
  @Answers(undefined, {
    contentType: 'text/html; charset=utf-8',
    description: 'This API as a page to read and try.',
  })
  page(): string {
    return PAGE;
  }

  @Get('api/docs/faults')
  @Header('content-security-policy', PAGE_POLICY)
  @Public(WHY)
  @Answers(undefined, {
    contentType: 'text/html; charset=utf-8',
    description: 'Every fault code, its status and meaning.',
  })
  faults(): string {
    return faultsPage();
  }

  @Get('api/docs/start.js')
  @Public(WHY)
  @Answers(undefined, { contentType: 'text/javascript; charset=utf-8', description: 'Starts the page.' })
  start(): string {
    return START;
  }

  @Get('api/docs/swagger-ui-bundle.js')
  @Public(WHY)
  @Answers(undefined, { contentType: 'text/javascript; charset=utf-8', description: 'The page’s program.' })
  script(): Buffer {
    return asset('swagger-ui-bundle.js');
  }

  @Get('api/docs/swagger-ui.css')
  @Public(WHY)
  @Answers(undefined, { contentType: 'text/css; charset=utf-8', description: 'The page’s style.' })
  style(): Buffer {
    return asset('swagger-ui.css');
  }
}

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Portcullis API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/api/docs/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<script src="/api/docs/swagger-ui-bundle.js"></script>
<script src="/api/docs/start.js"></script>
</body>
</html>
`;

// Folded: hundreds of open routes take a browser half a minute. Credentials typed into the page stay in its memory: persistAuthorization would put them into local storage.
const START = `if (matchMedia('(prefers-color-scheme: dark)').matches) document.documentElement.classList.add('dark-mode');
SwaggerUIBundle({
  url: '/api/v1/openapi.json',
  dom_id: '#page',
  deepLinking: true,
  docExpansion: 'none',
  filter: true,
  tagsSorter: 'alpha',
  persistAuthorization: false,
  validatorUrl: null,
  queryConfigEnabled: false,
});
`;

const assets = new Map<string, Buffer>();

/** A file of swagger-ui-dist, which comes with @nestjs/swagger; read once, when first asked for. */
function asset(name: 'swagger-ui-bundle.js' | 'swagger-ui.css'): Buffer {
  let file = assets.get(name);
  if (!file) {
    const swagger = createRequire(import.meta.resolve('@nestjs/swagger'));
    file = readFileSync(join(dirname(swagger.resolve('swagger-ui-dist/package.json')), name));
    assets.set(name, file);
  }
  return file;
}

function faultsPage(): string {
  const rows = faultCatalogue().map(
    (maker) =>
      `<tr id="${maker.code}"><td><code>${maker.code}</code></td><td>${statusOf(maker)}</td><td>${escaped(maker.message)}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Portcullis faults</title><link rel="icon" href="data:,">
<style>
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{margin:2rem auto;padding:0 1rem;max-width:60rem}
td,th{padding:.25rem 1rem .25rem 0;text-align:left;vertical-align:top}
code{overflow-wrap:anywhere}
:target{background:light-dark(#ffd,#553)}
@media (max-width:40rem){tr:first-child{display:none}tr,td{display:block}tr{padding:.5rem 0}td{padding:0}}
</style>
</head><body><h1>Faults</h1><table><tr><th>code</th><th>status</th><th>meaning</th></tr>
${rows.join('\n')}
</table></body></html>
`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
