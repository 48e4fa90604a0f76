// The second half of the Node worker that lambda_execution_environment.py starts. MiniStack's own first half (stdout
// redirection, SDK stubs, endpoint patching) stands before it and provides fs, path, readline and patchAwsSdk.
//
// Requests arrive as JSON lines on stdin: first the function's description, then one line per invocation. Answers leave
// as JSON lines on a descriptor of their own, so that whatever the handler prints, natively or not, is a log line and nothing else.
const { format, types } = require('node:util');
const { pathToFileURL } = require('node:url');

const ANSWERS = Number(process.argv[2]);
let requestId = '';
let end = '';

function answer(message) {
  // Logs before the answer: the reader waits for this mark, so it needs no guess about when the last line has come.
  process.stderr.write(`${end}\n`);
  const bytes = Buffer.from(`${JSON.stringify(message)}\n`);
  for (let sent = 0; sent < bytes.length; ) sent += _realWriteSync(ANSWERS, bytes, sent);
}

// errorType, errorMessage and trace exactly as AWS's Node runtime reports them: a thrown non-Error has its typeof.
function errorShape(error) {
  if (types.isNativeError(error) || (error?.name && error.message !== undefined && error.stack)) {
    return {
      errorType: error.name,
      errorMessage: error.message,
      trace: String(error.stack ?? '').split('\n'),
    };
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

function initError(errorType, errorMessage) {
  return Object.assign(new Error(errorMessage), { name: errorType });
}

let logFormat = 'Text';

// One event on AWS: in text format stamped with time, request and level, in JSON format a record.
function logEvent(level, args) {
  const timestamp = new Date().toISOString();
  if (logFormat === 'JSON') {
    const message = args.length === 1 && typeof args[0] === 'object' ? args[0] : format(...args);
    process.stderr.write(`${JSON.stringify({ timestamp, level, requestId, message })}\n`);
    return;
  }
  const line = [timestamp, requestId || 'undefined', level, format(...args)].join('\t');
  process.stderr.write(`${line.replaceAll('\n', '\r')}\n`);
}

// One console call is one log event.
function patchConsole(target) {
  const levels = {
    trace: 'TRACE',
    debug: 'DEBUG',
    log: 'INFO',
    info: 'INFO',
    warn: 'WARN',
    error: 'ERROR',
  };
  for (const [method, level] of Object.entries(levels)) {
    target[method] = (...args) => logEvent(level, args);
  }
}

function moduleFile(root, name) {
  const base = path.resolve(root, name);
  for (const extension of ['', '.js', '.mjs', '.cjs']) {
    if (fs.existsSync(base + extension) && fs.statSync(base + extension).isFile())
      return base + extension;
  }
  throw initError('Runtime.ImportModuleError', `Error: Cannot find module '${name}'`);
}

async function load(file) {
  if (file.endsWith('.mjs')) return import(pathToFileURL(file).href);
  try {
    return require(file);
  } catch (error) {
    if (error.code === 'ERR_REQUIRE_ESM' || error.code === 'ERR_REQUIRE_ASYNC_MODULE') {
      return import(pathToFileURL(file).href);
    }
    if (error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_MODULE_NOT_FOUND') {
      throw initError('Runtime.ImportModuleError', `Error: ${error.message}`);
    }
    throw error;
  }
}

async function loadHandler(init) {
  const module = await load(moduleFile(init.code_dir, init.module));
  const handler = module[init.handler] ?? module.default?.[init.handler];
  if (typeof handler !== 'function') {
    throw initError(
      'Runtime.HandlerNotFound',
      `${init.module}.${init.handler} is undefined or not exported`,
    );
  }
  if (handler.length >= 3) {
    throw initError(
      'Runtime.CallbackHandlerDeprecated',
      'AWS Lambda has removed support for callback-based function handlers starting with Node.js 24.',
    );
  }
  return handler;
}

function setOrDelete(name, value) {
  if (value === undefined || value === null || value === '') delete process.env[name];
  else process.env[name] = String(value);
}

function contextOf(ctx, deadline) {
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    invokedFunctionArn: ctx.invoked_function_arn,
    awsRequestId: ctx.request_id,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

function failed(error, label) {
  const shape = errorShape(error);
  const told = JSON.stringify({ ...shape, trace: undefined, stack: shape.trace });
  logEvent('ERROR', [`${label} \t${told}`]);
  return shape;
}

async function invoke(handler, { event, ctx }) {
  requestId = ctx.request_id;
  end = ctx.end;
  setOrDelete('_X_AMZN_TRACE_ID', ctx.trace_id);
  setOrDelete('__DEPTH_ENV__', ctx.depth);
  const started = performance.now();
  try {
    const result = await handler(event, contextOf(ctx, Date.now() + ctx.timeout_ms));
    const milliseconds = performance.now() - started;
    answer({
      status: 'ok',
      result: result === undefined ? null : result,
      milliseconds,
      ...usage(),
    });
  } catch (error) {
    const milliseconds = performance.now() - started;
    answer({ status: 'error', error: failed(error, 'Invoke Error'), milliseconds, ...usage() });
  }
}

function usage() {
  return { memory_mb: Math.ceil(process.resourceUsage().maxRSS / 1024) };
}

// As on AWS, an error outside the handler's promise ends the environment; the invocation in progress gets its name.
function exitOn(event, label, code, named) {
  process.on(event, (error) => {
    const shape = failed(error, label);
    answer({
      status: 'error',
      error: named ? { ...shape, ...named(error, shape) } : shape,
      exits: true,
    });
    process.exit(code);
  });
}

exitOn('uncaughtException', 'Uncaught Exception', 129);
exitOn('unhandledRejection', 'Unhandled Promise Rejection', 128, (_, shape) => ({
  errorType: 'Runtime.UnhandledPromiseRejection',
  errorMessage: `${shape.errorType}: ${shape.errorMessage}`,
}));

let handler;
readline.createInterface({ input: process.stdin, terminal: false }).on('line', async (line) => {
  const message = JSON.parse(line);
  if (handler) {
    await invoke(handler, message);
    return;
  }
  end = message.end;
  logFormat = message.log_format;
  patchConsole(globalThis.console);
  process.noDeprecation = true; // for url.parse in there; the function's own warnings stay
  patchAwsSdk();
  process.noDeprecation = false;
  try {
    handler = await loadHandler(message);
    answer({ status: 'ready' });
  } catch (error) {
    answer({ status: 'error', error: failed(error, 'Uncaught Exception'), exits: true });
    process.exit(1);
  }
});
