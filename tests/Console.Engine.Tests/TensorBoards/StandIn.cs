namespace DeepLab.Engine.Tests.TensorBoards;

/// <summary>
/// Stands in for TensorBoard, which no package of Debian has: takes the same arguments and no others, reads the event files below
/// its folder as they are at each request, and answers the same address with the tags of every run.
/// </summary>
internal static class StandIn
{
    public const string Program = """
        #!/usr/bin/python3
        import argparse, http.server, json, os, struct

        asked = argparse.ArgumentParser()
        for name in ("logdir", "host", "path_prefix"):
            asked.add_argument("--" + name, required=True)
        asked.add_argument("--port", type=int, required=True)
        asked = asked.parse_args()


        def varint(data, at):
            value = shift = 0
            while True:
                byte = data[at]
                at += 1
                value |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    return value, at


        def fields(data):
            at = 0
            while at < len(data):
                key, at = varint(data, at)
                if key & 7 == 0:
                    value, at = varint(data, at)
                elif key & 7 == 2:
                    size, at = varint(data, at)
                    value, at = data[at : at + size], at + size
                else:
                    size = 8 if key & 7 == 1 else 4
                    value, at = data[at : at + size], at + size
                yield key >> 3, value


        def records(path):
            with open(path, "rb") as file:
                while len(head := file.read(12)) == 12:
                    yield file.read(struct.unpack("<Q", head[:8])[0])
                    file.read(4)


        def tags():
            runs = {}
            for folder, _, names in os.walk(asked.logdir):
                for name in sorted(n for n in names if "tfevents" in n):
                    run = runs.setdefault(os.path.relpath(folder, asked.logdir), {})
                    for record in records(os.path.join(folder, name)):
                        for summary in (v for f, v in fields(record) if f == 5):
                            for value in (v for f, v in fields(summary) if f == 1):
                                run.update({v.decode(): {} for f, v in fields(value) if f == 1})
            return runs


        class Board(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                answers = {"/": "<title>TensorBoard</title>", "/data/plugin/scalars/tags": json.dumps(tags())}
                prefix, path = self.path[: len(asked.path_prefix)], self.path[len(asked.path_prefix) :]
                answer = answers.get(path) if prefix == asked.path_prefix else None
                self.send_response(200 if answer else 404)
                self.end_headers()
                self.wfile.write((answer or "").encode())


        http.server.ThreadingHTTPServer((asked.host, asked.port), Board).serve_forever()

        """;
}
