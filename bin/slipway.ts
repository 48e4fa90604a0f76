import { main } from '../cli/program.ts';
import { tolerateClosedPipes } from '../cli/terminal.ts';

tolerateClosedPipes();
await main(process.argv.slice(2));
