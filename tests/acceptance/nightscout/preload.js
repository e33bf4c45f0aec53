// Nightscout 0.12.8 refuses to start on a Node newer than 12; it runs on 20.
Object.defineProperty(process, "version", { value: "v12.16.1" });
