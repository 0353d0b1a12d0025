/** What building each client needs: commands that succeed where its tools are installed, and where those come from. */
import { spawnSync } from 'node:child_process';

const TOOLS = {
  go: { probes: ['go version'], get: 'https://go.dev/dl' },
  java: { probes: ['javac -version', 'mvn --version'], get: 'apt-get install maven openjdk-17-jdk-headless' },
  python: { probes: ['python3 -c "import ensurepip, venv"'], get: 'apt-get install python3-venv' },
  rust: { probes: ['cargo --version'], get: 'https://rustup.rs' },
  typescript: { probes: [], get: '' },
};

/** Why the client in a language cannot be built here, in words; undefined where it can. */
export function missingTools(language) {
  const { probes, get } = TOOLS[language];
  const failing = probes.filter((probe) => spawnSync(probe, { shell: true }).status !== 0);
  return failing.length > 0 ? `\`${failing.join('` and `')}\` fails (${get})` : undefined;
}
