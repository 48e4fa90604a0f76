import { type Command, InvalidArgumentError } from 'commander';
import { authorizationFor, baseUrlOf } from '../api-client.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import { defaultProxyPort, startProxy } from '../proxy.ts';

interface Options extends Common {
  readonly port: number;
}

function portNumber(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port < 65_536) return port;
  throw new InvalidArgumentError('a port is a number from 0 to 65535; 0 takes a free one.');
}

export const proxyCommand = (): Command =>
  deployedCommand({
    usage: 'proxy',
    description: "the environment's API on localhost, signed in your name, until Ctrl-C",
    examples: ['slipway proxy --env dev', 'slipway proxy --env prod --port 8081 --json'],
  })
    .option('--port <port>', 'port on 127.0.0.1', portNumber, defaultProxyPort)
    .action((options: Options) =>
      run(options, async ({ deployment, terminal }) => {
        const baseUrl = baseUrlOf(deployment);
        const proxy = await startProxy({
          baseUrl,
          authorize: authorizationFor(deployment),
          port: options.port,
        });
        const [model = '<model>'] = deployment.models;
        terminal.result({ url: proxy.url, api: baseUrl }, [
          `${proxy.url} is ${baseUrl}, signed in your name: whoever reaches this machine's loopback may use it.`,
          `  $ curl ${proxy.url}/v1/models/${model}`,
          'Ctrl-C stops it.',
        ]);
        await new Promise<void>((resolve) => {
          for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve);
        });
        await proxy.stop();
        return undefined;
      }),
    );
