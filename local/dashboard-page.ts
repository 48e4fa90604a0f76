// Any CloudWatch dashboard as a page of this machine: what the console would show, without the console.
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  CloudWatchClient,
  DashboardNotFoundError,
  GetDashboardCommand,
  ListDashboardsCommand,
} from '@aws-sdk/client-cloudwatch';
import { LambdaClient } from '@aws-sdk/client-lambda';
import escapeHtml from 'escape-html';
import { chosenValues, type DashboardBody, type Variable, widgetsWith } from './dashboard-body.ts';
import { dashboardStyle } from './dashboard-style.ts';
import { widgetHtml } from './dashboard-widgets.ts';

export interface DashboardPageOptions {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** TCP port; a free one by default. */
  readonly port?: number;
}

export interface DashboardPage {
  /** `http://127.0.0.1:<port>/`: the dashboards there are, or the one. */
  readonly url: string;
  stop(): Promise<void>;
}

const host = '127.0.0.1';
const hour = 3_600_000;
const ranges: readonly (readonly [name: string, ms: number])[] = [
  ['15m', hour / 4],
  ['1h', hour],
  ['3h', 3 * hour],
  ['12h', 12 * hour],
  ['1d', 24 * hour],
  ['3d', 72 * hour],
  ['1w', 168 * hour],
];
const defaultRange = '1h';

interface Clients {
  readonly cloudwatch: CloudWatchClient;
  readonly lambda: LambdaClient;
}

const page = (title: string, theme: string, content: string): string =>
  `<!doctype html><html lang="en" class="${theme}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escapeHtml(title)}</title><style>${dashboardStyle}</style></head><body>${content}</body></html>\n`;

function send(response: ServerResponse, status: number, html: string): void {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    // A widget's HTML may hold anything; nothing of it runs or is loaded, as in the console.
    'content-security-policy':
      "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'",
  });
  response.end(html);
}

/** The same page with one thing chosen otherwise. */
function linkTo(asked: URLSearchParams, name: string, value: string): string {
  const changed = new URLSearchParams(asked);
  changed.set(name, value);
  return `?${escapeHtml(changed.toString())}`;
}

function choice(
  label: string,
  options: readonly (readonly [value: string, text: string])[],
  chosen: string | undefined,
  link: (value: string) => string,
): string {
  const links = options.map(
    ([value, text]) =>
      `<a href="${link(value)}"${value === chosen ? ' aria-current="true"' : ''}>${escapeHtml(text)}</a>`,
  );
  return `<nav aria-label="${escapeHtml(label)}"><span>${escapeHtml(label)}</span>${links.join('')}</nav>`;
}

function variableHtml(variable: Variable, value: string | undefined, asked: URLSearchParams) {
  const { id, label = id, values = [], visible = true } = variable;
  if (!visible) return '';
  if (values.length > 0) {
    const options = values.map((one) => [one.value, one.label ?? one.value] as const);
    return choice(label, options, value, (chosen) => linkTo(asked, id, chosen));
  }
  const kept = [...asked].filter(([name]) => name !== id);
  const hidden = kept.map(
    ([name, content]) =>
      `<input type="hidden" name="${escapeHtml(name)}" value="${escapeHtml(content)}">`,
  );
  return `<form><label>${escapeHtml(label)} <input name="${escapeHtml(id)}" value="${escapeHtml(value ?? '')}"></label>${hidden.join('')}<button>Show</button></form>`;
}

async function bodyOf({ cloudwatch }: Clients, name: string): Promise<DashboardBody | undefined> {
  try {
    const { DashboardBody: text } = await cloudwatch.send(
      new GetDashboardCommand({ DashboardName: name }),
    );
    return JSON.parse(text ?? '{}') as DashboardBody;
  } catch (error) {
    if (error instanceof DashboardNotFoundError) return undefined;
    if ((error as { name?: unknown }).name === 'ResourceNotFound') return undefined;
    throw error;
  }
}

async function dashboard(
  clients: Clients,
  name: string,
  body: DashboardBody,
  asked: URLSearchParams,
): Promise<string> {
  const values = chosenValues(body, asked);
  const range =
    ranges.find(([one]) => one === asked.get('range')) ??
    ranges.find(([one]) => one === defaultRange);
  const [rangeName, rangeMs] = range ?? [defaultRange, hour];
  const themeAsked = asked.get('theme');
  const theme = (['light', 'dark'] as const).find((one) => one === themeAsked);
  const to = Date.now();
  const place = { ...clients, dashboardName: name, from: to - rangeMs, to, theme };
  const widgets = await Promise.all(
    widgetsWith(body, values).map((widget) => widgetHtml(widget, place)),
  );
  const variables = (body.variables ?? []).map((variable) =>
    variableHtml(variable, values.get(variable), asked),
  );
  const times = choice(
    'Last',
    ranges.map(([one]) => [one, one] as const),
    rangeName,
    (one) => linkTo(asked, 'range', one),
  );
  const now = new Date(to).toISOString().slice(0, 19).replace('T', ' ');
  return page(
    name,
    theme ?? 'auto',
    `<header><h1>${escapeHtml(name)}</h1>${variables.join('')}${times}<span class="now">${now} UTC</span></header><main>${widgets.join('')}</main>`,
  );
}

async function list({ cloudwatch }: Clients): Promise<readonly string[]> {
  const { DashboardEntries = [] } = await cloudwatch.send(new ListDashboardsCommand({}));
  return DashboardEntries.flatMap(({ DashboardName }) => DashboardName ?? []);
}

const address = (name: string): string => `/dashboards/${encodeURIComponent(name)}`;

async function answer(clients: Clients, url: URL, response: ServerResponse): Promise<void> {
  if (url.pathname === '/') {
    const names = await list(clients);
    const [only] = names;
    if (names.length === 1 && only !== undefined) {
      response.writeHead(302, { location: `${address(only)}${url.search}` }).end();
      return;
    }
    const links = names.map(
      (name) => `<li><a href="${address(name)}">${escapeHtml(name)}</a></li>`,
    );
    const found =
      names.length === 0 ? '<p>There is no dashboard yet.</p>' : `<ul>${links.join('')}</ul>`;
    return send(
      response,
      200,
      page('Dashboards', 'auto', `<header><h1>Dashboards</h1></header><main>${found}</main>`),
    );
  }
  const name = decodeURIComponent(url.pathname.match(/^\/dashboards\/([^/]+)$/)?.[1] ?? '');
  const body = name === '' ? undefined : await bodyOf(clients, name);
  if (body) return send(response, 200, await dashboard(clients, name, body, url.searchParams));
  send(
    response,
    404,
    page(
      'Not found',
      'auto',
      '<main><p>There is no such dashboard. <a href="/">All of them</a></p></main>',
    ),
  );
}

/** Serves the dashboards of a cloud on 127.0.0.1. */
export async function startDashboardPage(options: DashboardPageOptions): Promise<DashboardPage> {
  const { endpoint, region, credentials, port = 0 } = options;
  const shared = { endpoint, region, credentials };
  const clients = { cloudwatch: new CloudWatchClient(shared), lambda: new LambdaClient(shared) };
  const server = createServer((request, response) => {
    // A page of another site could otherwise read this one under a name that leads here.
    if (request.headers.host !== `${host}:${request.socket.localPort}`) {
      send(
        response,
        421,
        page('Elsewhere', 'auto', '<main><p>Ask by the address that was printed.</p></main>'),
      );
      return;
    }
    const url = new URL(request.url ?? '/', `http://${host}`);
    answer(clients, url, response).catch((error: unknown) => {
      const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      send(
        response,
        502,
        page(
          'Failed',
          'auto',
          `<main><p>The cloud did not answer as expected: ${escapeHtml(said)}</p></main>`,
        ),
      );
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}/`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        for (const client of Object.values(clients)) client.destroy();
      }),
  };
}
