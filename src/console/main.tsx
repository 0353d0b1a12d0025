/** The console: a page of the web port that shows what the API gives, with the rights of the one who looks. */
import { render } from 'preact';
import { App } from './app.js';

render(<App />, document.getElementById('app')!);
