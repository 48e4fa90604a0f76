import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  environmentNames,
  everyStack,
  models,
  type Resource,
  resourcesOf,
  type StackTemplate,
  stacksOf,
} from './every-environment.ts';

interface Statement {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action?: string | string[];
  readonly Resource?: unknown;
  readonly Principal?: unknown;
  readonly Condition?: unknown;
}

interface Place {
  readonly stack: StackTemplate;
  readonly id: string;
  readonly resource: Resource;
  readonly statement: Statement;
}

const listOf = (value: unknown): unknown[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];

/** CloudFormation's functions as text: `<Bucket.Arn>/landing/churn/*`. */
function text(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const [[kind, content] = ['', undefined]] = Object.entries(value);
  if (kind === 'Fn::Join') return (content as [string, unknown[]])[1].map(text).join(content[0]);
  if (kind === 'Fn::GetAtt') return `<${listOf(content).join('.')}>`;
  if (kind === 'Ref') return `<${content}>`;
  return text(content);
}

/** The statements of every policy document in a resource, wherever it is. */
function statementsIn(value: unknown): Statement[] {
  if (typeof value !== 'object' || value === null) return [];
  const own = (value as { Statement?: unknown }).Statement;
  return [
    ...(Array.isArray(own) ? own : []),
    ...Object.values(value).flatMap((inner) => statementsIn(inner)),
  ];
}

const everyStatement: Place[] = everyStack().flatMap((stack) =>
  Object.entries(stack.Resources).flatMap(([id, resource]) =>
    statementsIn(resource.Properties).map((statement) => ({ stack, id, resource, statement })),
  ),
);

const isIdentity = ({ resource: { Type } }: Place): boolean =>
  ['AWS::IAM::Policy', 'AWS::IAM::ManagedPolicy', 'AWS::IAM::Role'].includes(Type);
const allows = ({ statement }: Place): boolean => statement.Effect === 'Allow';
const isWild = (name: string): boolean => /[*?]/.test(name);
const told = ({ stack, id }: Place, what: string): string => `${stack.name} ${id}: ${what}`;

/** Longest first, because a model's name may be the end of another's. */
const modelNames = models.map(({ name }) => name).sort((one, other) => other.length - one.length);

/** As the page has it: without what differs between environments and models. */
const general = (line: string): string =>
  modelNames
    .reduce((short, name) => short.replaceAll(name, '<model>'), line)
    .replaceAll(/<[A-Za-z]+[0-9A-F]{8}\.(\w+)>/g, '<$1>');

const page = readFileSync('docs/security.md', 'utf8');

/** Rows of the table under a heading; backquotes are only for the eye. */
function rowsUnder(heading: string): string[][] {
  const [, section = ''] = page.split(`\n## ${heading}\n`);
  const [body = ''] = section.split('\n## ');
  return body
    .split('\n')
    .filter((line) => /^\| (?!---)/.test(line))
    .slice(1)
    .map((line) =>
      line
        .slice(1, -1)
        .split(' | ')
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
}
const sorted = (rows: Iterable<string>): string[] => [...new Set(rows)].sort();

describe("an identity's policy", () => {
  const granted = everyStatement.filter((place) => isIdentity(place) && allows(place));

  it('is there to be looked at', () => {
    expect(granted.length).toBeGreaterThan(100);
  });

  it('names every action', () => {
    const wild = granted.flatMap((place) =>
      listOf(place.statement.Action)
        .map(String)
        .filter(isWild)
        .map((action) => told(place, action)),
    );
    expect(wild).toEqual([]);
  });

  it('says what it allows, and not what it leaves out', () => {
    const negative = everyStatement
      .filter(({ statement }) =>
        ['NotAction', 'NotResource', 'NotPrincipal'].some((key) => key in statement),
      )
      .map((place) => told(place, JSON.stringify(place.statement)));
    expect(negative).toEqual([]);
  });

  it('has a wildcard in a resource only where a waiver on this very policy says why', () => {
    const patterns = rowsUnder("Wildcards that an identity's policy needs no waiver for");
    const known = patterns.map(([pattern]) => pattern ?? '');
    const unexplained = granted.flatMap((place) => {
      const waived = place.stack.waivers.filter(({ logicalId }) => logicalId === place.id);
      const rules = Object.assign({}, ...waived.map((waivers) => waivers.rules));
      return listOf(place.statement.Resource)
        .map(text)
        .filter(isWild)
        .filter((resource) => !rules[`AwsSolutions-IAM5[Resource::${resource}]`])
        .filter((resource) => !known.some((pattern) => general(resource).endsWith(pattern)))
        .map((resource) => told(place, resource));
    });
    expect(unexplained).toEqual([]);
  });

  it('lets a role be taken on by one service, and by nobody else', () => {
    const trusted = everyStack().flatMap((stack) =>
      resourcesOf(stack, 'AWS::IAM::Role').map(([id, { Properties }]) => {
        const [statement, ...others] = Properties.AssumeRolePolicyDocument.Statement;
        const { Action, Principal } = statement;
        return { id, more: others.length, Action, kinds: Object.keys(Principal), ...Principal };
      }),
    );
    expect(trusted.length).toBeGreaterThan(50);
    for (const role of trusted) {
      expect(role).toMatchObject({ more: 0, Action: 'sts:AssumeRole', kinds: ['Service'] });
      expect(role.Service, role.id).toMatch(/^[a-z-]+\.amazonaws\.com$/);
    }
  });
});

describe("a resource's policy", () => {
  const granted = everyStatement.filter((place) => !isIdentity(place) && allows(place));

  it('lets nobody in who is not named, or is not of this account', () => {
    const ofThisAccount = { 'aws:PrincipalAccount': { Ref: 'AWS::AccountId' } };
    const anybody = granted
      .filter(({ statement }) => {
        const { StringEquals: equal = {} } = (statement.Condition ?? {}) as {
          StringEquals?: object;
        };
        return !isDeepStrictEqual({ ...equal, ...ofThisAccount }, equal);
      })
      .filter(({ statement }) => /"\*"/.test(JSON.stringify(statement.Principal ?? '*')))
      .map((place) => told(place, JSON.stringify(place.statement)));
    expect(anybody).toEqual([]);
  });

  it('has the wildcards that docs/security.md explains, and no others', () => {
    const found = granted.flatMap(({ resource, statement }) => {
      const actions = listOf(statement.Action).map(String);
      const resources = listOf(statement.Resource).map(text);
      if (![...actions, ...resources].some(isWild)) return [];
      const principals = Object.values(statement.Principal as object)
        .flatMap(listOf)
        .map(text);
      return principals.map((principal) =>
        general(
          `${resource.Type} | ${actions.join(', ')} on ${resources.join(', ')} | ${principal}`,
        ),
      );
    });
    const rows = rowsUnder('Wildcards in the policies of resources');
    expect(sorted(rows.map((row) => row.slice(0, 3).join(' | ')))).toEqual(sorted(found));
    for (const [, , , why = ''] of rows) expect(why.length).toBeGreaterThan(20);
  });

  it('lets a service invoke a function for one source only', () => {
    const permissions = everyStack().flatMap((stack) =>
      resourcesOf(stack, 'AWS::Lambda::Permission'),
    );
    expect(permissions.length).toBeGreaterThan(20);
    for (const [id, { Properties }] of permissions) {
      expect(Properties.Principal, id).toMatch(/^[a-z-]+\.amazonaws\.com$/);
      expect(text(Properties.SourceArn), id).toMatch(
        // A topic's reference is its ARN, also where another stack exports it.
        /^(<\w+(\.Arn)?>|arn:.{20,}|Slipway-\w+-State:ExportsOutputRef)/,
      );
    }
  });
});

describe('the waivers of cdk-nag', () => {
  it('are those of docs/security.md, with rule, type of resource and reason', () => {
    const used = everyStack().flatMap(({ waivers, Resources }) =>
      waivers.flatMap(({ logicalId, rules }) =>
        Object.entries(rules).map(([rule, reason]) =>
          [rule.replace(/\[.*/s, ''), Resources[logicalId]?.Type, reason].join(' | '),
        ),
      ),
    );
    const rows = rowsUnder('Waived rules').map((row) => row.join(' | '));
    expect(rows.length).toBe(new Set(rows).size);
    expect(sorted(rows)).toEqual(sorted(used.map(general)));
  });
});

describe.each(environmentNames)('the log groups and tags of %s', (environment) => {
  const days = { dev: 30, staging: 30, prod: 365 }[environment];
  const stacks = stacksOf(environment);

  it(`keep ${days} days`, () => {
    const groups = stacks.flatMap((stack) => resourcesOf(stack, 'AWS::Logs::LogGroup'));
    expect(groups.length).toBeGreaterThan(20);
    for (const [id, { Properties }] of groups) expect(Properties.RetentionInDays, id).toBe(days);
  });

  it('are those that the functions write to', () => {
    for (const stack of stacks) {
      for (const [id, { Properties }] of resourcesOf(stack, 'AWS::Lambda::Function')) {
        expect(stack.Resources[Properties.LoggingConfig.LogGroup.Ref]?.Type, id).toBe(
          'AWS::Logs::LogGroup',
        );
      }
    }
  });

  it('say which environment and which model a cost belongs to', () => {
    for (const stack of stacks.filter(({ name }) => name !== 'Slipway-Account')) {
      for (const type of [
        'AWS::Lambda::Function',
        'AWS::IAM::Role',
        'AWS::S3::Bucket',
        'AWS::Logs::LogGroup',
      ]) {
        for (const [id, { Properties }] of resourcesOf(stack, type)) {
          expect(Properties.Tags, `${stack.name} ${id}`).toContainEqual({
            Key: 'slipway:environment',
            Value: environment,
          });
          if (!stack.name.includes('-Model-')) continue;
          expect(Properties.Tags, `${stack.name} ${id}`).toContainEqual({
            Key: 'slipway:model',
            Value: expect.stringMatching(/^[a-z-]+$/),
          });
        }
      }
    }
  });
});
