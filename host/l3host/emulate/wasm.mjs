// Runs a board-side script in MicroPython + ulab compiled to WebAssembly.
// node wasm.mjs PACKAGE SCRIPT LIBRARY FOLDER: copies LIBRARY and FOLDER into its file system, executes SCRIPT, steps its
// generator work(FOLDER), copies FOLDER back. Exit status 0, or 1 with the traceback on stderr.
// The heap is collected only when control is back in JavaScript, hence the steps.
import fs from 'node:fs';
import path from 'node:path';

const [pkg, script, library, folder] = process.argv.slice(2);
const HEAP = 64 * 1024 * 1024;
const { loadMicroPython } = await import(path.join(pkg, 'micropython.mjs'));

function writer(fd) {
  return (data) => fs.writeSync(fd, data);
}

const mp = await loadMicroPython({
  url: path.join(pkg, 'micropython-ulab.wasm'),
  heapsize: HEAP,
  stdout: writer(1),
  stderr: writer(2),
  linebuffer: false,
});

function copyIn(from, to) {
  mp.FS.mkdir(to);
  for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
    const source = path.join(from, entry.name);
    if (entry.isDirectory()) copyIn(source, `${to}/${entry.name}`);
    else mp.FS.writeFile(`${to}/${entry.name}`, fs.readFileSync(source));
  }
}

function copyOut(from, to) {
  for (const name of mp.FS.readdir(from)) {
    if (name === '.' || name === '..') continue;
    const source = `${from}/${name}`;
    if (!mp.FS.isDir(mp.FS.stat(source).mode)) fs.writeFileSync(path.join(to, name), mp.FS.readFile(source));
  }
}

copyIn(library, '/lib_l3mote');
copyIn(folder, '/job');
try {
  mp.globals.set('_source', fs.readFileSync(script, 'utf8'));
  mp.globals.set('_name', script);
  mp.runPython(`
import sys
sys.path.insert(0, '/lib_l3mote')
_space = {'__name__': 'job'}
exec(compile(_source, _name, 'exec'), _space)
_steps = _space['work']('/job')
def _step():
    for _ in _steps:
        return True
    return False
`);
  const step = mp.globals.get('_step');
  while (step());
  copyOut('/job', folder);
} catch (error) {
  fs.writeSync(2, `${error.message || error}\n`);
  process.exitCode = 1;
}
