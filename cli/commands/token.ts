import type { Command } from 'commander';
import { laptopToken, scopesOf } from '../api-client.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import { usageError } from '../command-error.ts';

interface Options extends Common {
  readonly scope?: string;
}

export const tokenCommand = (): Command =>
  deployedCommand({
    usage: 'token',
    description: "a JWT for the laptop cloud's API, allowing every model unless --scope says less",
    examples: ['slipway token', "slipway token --scope 'flight-delay:predict'"],
  })
    .option('--scope <scopes>', 'scopes, separated by spaces')
    .action((options: Options) =>
      run(options, async ({ deployment, terminal }) => {
        const { laptop, environment } = deployment;
        if (!laptop) {
          throw usageError(
            deployment.parameter('api-auth') === 'iam'
              ? `the environment '${environment}' takes no tokens: its callers sign their requests (SigV4, service execute-api), as \`slipway predict\` does`
              : `the tokens of '${environment}' come from its own identity provider`,
          );
        }
        const scopes = options.scope?.split(' ').filter(Boolean) ?? scopesOf(deployment.models);
        const token = await laptopToken(laptop, scopes);
        terminal.result({ token, scopes }, [token]);
        return undefined;
      }),
    );
