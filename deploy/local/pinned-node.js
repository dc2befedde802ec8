// Prints where the pinned Node lies: for who packs it, whatever Node runs the project.
import { pinnedNode } from "./node.js";
import { sayTrouble } from "./say.js";

try {
  console.log(await pinnedNode("an image holds the pinned Node"));
} catch (error) {
  sayTrouble(error);
  process.exitCode = 1;
}
