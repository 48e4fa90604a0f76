const pascalCase = (name: string): string =>
  name.replace(/(^|-)([a-z0-9])/g, (_, _dash, letter: string) => letter.toUpperCase());

/** What the names of an environment's stacks begin with. */
export const stackPrefix = (environment: string): string => `Slipway-${environment}-`;

/** The stack of the cache and its network: there while a model asks for a cache. */
export const networkStackName = (environment: string): string =>
  `${stackPrefix(environment)}Network`;

/** What the names of its models' stacks begin with. */
export const modelStackPrefix = (environment: string): string =>
  `${stackPrefix(environment)}Model-`;

/** The stack of one model, as in Slipway-dev-Model-FlightDelay. */
export const modelStackName = (environment: string, model: string): string =>
  `${modelStackPrefix(environment)}${pascalCase(model)}`;
