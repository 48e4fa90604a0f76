#!/usr/bin/env node
import { runScript } from './setup.mjs';

await runScript('bin/slipway.ts', process.argv.slice(2));
