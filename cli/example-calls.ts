// Calls of a model's API for a person to paste: into a shell, and into Python.

/** How callers are let in. */
export type CallersDoor =
  /** They sign; curl goes through a proxy that does. */
  | { readonly auth: 'iam'; readonly environment: string; readonly proxyUrl: string }
  /** They carry a token, which a command writes that runs in a folder. */
  | { readonly auth: 'jwt'; readonly tokenCommand: readonly string[]; readonly tokenFolder: string }
  /** They carry a token of their own provider. */
  | { readonly auth: 'jwt'; readonly tokenVariable: string };

export interface ExampleCall {
  /** The API with its stage, without a slash at the end. */
  readonly baseUrl: string;
  readonly model: string;
  readonly instances: readonly unknown[];
  readonly door: CallersDoor;
  /** The Python client's package. */
  readonly clientFolder: string;
}

/** One word for a POSIX shell. */
const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** A JSON value as Python writes it. JSON's text is Python's too. */
function pythonLiteral(value: unknown): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (Array.isArray(value)) return `[${value.map(pythonLiteral).join(', ')}]`;
  if (typeof value === 'object') {
    const items = Object.entries(value).map(
      ([k, v]) => `${JSON.stringify(k)}: ${pythonLiteral(v)}`,
    );
    return `{${items.join(', ')}}`;
  }
  return JSON.stringify(value);
}

/** Lines of a shell. */
export function curlCall({ baseUrl, model, instances, door }: ExampleCall): string[] {
  const path = `/v1/models/${model}:predict`;
  const call = (url: string, authorization: string[]) => [
    `curl ${shellWord(`${url}${path}`)} \\`,
    ...authorization.map((header) => `  -H ${header} \\`),
    "  -H 'Content-Type: application/json' \\",
    `  -d ${shellWord(JSON.stringify({ instances }))}`,
  ];
  if (door.auth === 'iam') {
    return [
      `# In another terminal: npx slipway proxy --env ${door.environment}`,
      '# It signs; curl itself gets the signature of a path with a colon wrong.',
      ...call(door.proxyUrl, []),
    ];
  }
  const token =
    'tokenCommand' in door
      ? `$(${door.tokenCommand.map(shellWord).join(' ')})`
      : `$${door.tokenVariable}`;
  return call(baseUrl, [`"Authorization: Bearer ${token}"`]);
}

function pythonAuth(door: CallersDoor): { imports: string[]; auth: string; extra: string } {
  const client = (names: string) => `from slipway_client import ${names}`;
  if (door.auth === 'iam') {
    return { imports: ['', client('IamAuth, Slipway')], auth: 'IamAuth()', extra: '[iam]' };
  }
  if ('tokenVariable' in door) {
    const auth = `os.environ[${JSON.stringify(door.tokenVariable)}]`;
    return { imports: ['import os', '', client('Slipway')], auth, extra: '' };
  }
  const command = pythonLiteral(door.tokenCommand);
  const folder = pythonLiteral(door.tokenFolder);
  return {
    imports: ['import subprocess', '', client('Slipway')],
    auth: `lambda: subprocess.check_output(${command}, text=True, cwd=${folder})`,
    extra: '',
  };
}

/** A Python program. */
export function pythonCall({
  baseUrl,
  model,
  instances,
  door,
  clientFolder,
}: ExampleCall): string[] {
  const { imports, auth, extra } = pythonAuth(door);
  return [
    `# pip install ${shellWord(`${clientFolder}${extra}`)}`,
    ...imports,
    '',
    `rows = [${instances.map((each) => `\n    ${pythonLiteral(each)},`).join('')}`,
    ']',
    `with Slipway(${JSON.stringify(baseUrl)}, auth=${auth}) as slipway:`,
    `    for answer in slipway.model(${JSON.stringify(model)}).predict(rows):`,
    '        print(answer)',
  ];
}
