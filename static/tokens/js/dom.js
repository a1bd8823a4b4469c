// Short ways to reach the document, and the texts that the server wrote in the page's language.
export const $ = (selector) => document.querySelector(selector);
export const all = (selector) => [...document.querySelectorAll(selector)];
export const words = () => $("#words").dataset;
