/** The page: shows what the agents of one installation do, and lets admins act on it. */
import { render } from "preact";
import { App } from "./app.tsx";

const root = document.querySelector("#page");
if (root !== null) render(<App />, root);
