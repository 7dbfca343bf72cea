using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// What stands in an environment's container before it starts. Pure. Secrets stand in files alone, which only the
/// container's user reads: no argument, variable or label holds one.
/// </summary>
public static class EnvironmentFiles
{
    // 0755, 0700, 0600
    private const int Folder = 0x1ED;
    private const int Closed = 0x1C0;
    private const int Private = 0x180;

    /// <summary>Exit codes of the script, for what the image lacks; no program of the image ends with them.</summary>
    public const int NoJupyter = 96;
    public const int NoSshServer = 97;
    public const int NoTensorBoard = 98;
    private const string Start = EnvironmentFolders.Own + "/start";
    public const string AuthorizedKeys = EnvironmentFolders.Own + "/authorized_keys";
    private const string PasswordFile = EnvironmentFolders.Own + "/jupyter/password";

    public static IReadOnlyList<string> Command { get; } = ["/bin/sh", Start];

    /// <param name="token">that opens Jupyter to the console</param>
    /// <param name="password">the user's own, or null</param>
    /// <param name="keys">public keys, one line each</param>
    public static IReadOnlyList<PlacedFile> Make(
        EnvironmentSpec environment,
        long workloadId,
        string? token,
        string? password,
        IReadOnlyList<string> keys
    )
    {
        var files = new List<PlacedFile>
        {
            new(EnvironmentFolders.Home, Folder, null),
            new(EnvironmentFolders.Own, Closed, null),
            PlacedFile.Of(Start, Private, Script(environment, workloadId)),
        };
        if (environment.Jupyter)
        {
            files.Add(new PlacedFile($"{EnvironmentFolders.Own}/jupyter", Closed, null));
            foreach (
                var (name, section) in (ReadOnlySpan<(string, string)>)
                    [("server", "ServerApp"), ("notebook", "NotebookApp")]
            )
            {
                files.Add(
                    PlacedFile.Of(
                        $"{EnvironmentFolders.Own}/jupyter/jupyter_{name}_config.json",
                        Private,
                        Jupyter(section, workloadId, token ?? "", password)
                    )
                );
            }
            files.Add(
                PlacedFile.Of($"{EnvironmentFolders.Own}/jupyter/jupyter_server_config.py", Private, FreshPassword)
            );
            files.Add(Password(token ?? "", password));
        }
        if (environment.Ssh)
        {
            files.Add(PlacedFile.Of($"{EnvironmentFolders.Own}/sshd_config", Private, Sshd));
            files.Add(Keys(keys));
        }
        return files;
    }

    public static PlacedFile Keys(IReadOnlyList<string> keys) =>
        PlacedFile.Of(AuthorizedKeys, Private, string.Concat(keys.Select(k => k + "\n")));

    /// <summary>What Jupyter asks for from now on. The same again where nothing changed, so that nobody is signed out.</summary>
    public static PlacedFile Password(string token, string? password) =>
        PlacedFile.Of(PasswordFile, Private, password is null ? "" : Hash(token, password));

    /// <summary>
    /// Jupyter reads its configuration once: this one's password is read at each sign-in, so that it can be changed while
    /// kernels run. The cookie of who signed in with another has another name. The notebook server of before knows nothing of
    /// it, and has a new password at its next start.
    /// </summary>
    private const string FreshPassword = $"""
        # Written by the console at each start
        import hashlib

        from jupyter_server.auth.identity import PasswordIdentityProvider


        class FreshPassword(PasswordIdentityProvider):
            def _read(self):
                try:
                    with open("{PasswordFile}") as kept:
                        self.hashed_password = kept.read().strip()
                except OSError:
                    pass  # it is being written
                return self.hashed_password

            def passwd_check(self, password):
                return bool(self._read()) and super().passwd_check(password)

            def get_cookie_name(self, handler):
                mark = hashlib.sha256(self._read().encode()).hexdigest()[:16]
                return super().get_cookie_name(handler) + "-" + mark


        c.ServerApp.identity_provider_class = FreshPassword

        """;

    /// <summary>Why it ended, where the script itself ended it; null where a program did.</summary>
    public static string? Explain(int exitCode) =>
        exitCode switch
        {
            NoJupyter =>
                "its image has no Jupyter: neither jupyter-lab nor jupyter-notebook was found in it; choose an image that has one, or turn Jupyter off",
            NoTensorBoard =>
                "its image has no TensorBoard, whatever the catalogue says of it; the console draws the curves of event files by itself",
            NoSshServer =>
                "its image has no SSH server: sshd was not found in it; choose an image that has one, or turn SSH off",
            _ => null,
        };

    /// <summary>For the server of today and for the notebook of before, which takes the same keys under another name.</summary>
    private static string Jupyter(string section, long workloadId, string token, string? password)
    {
        var isServer = section == "ServerApp";
        var server = new JsonObject
        {
            ["base_url"] = Endpoint.PathOf(workloadId, Endpoint.Jupyter),
            ["ip"] = "0.0.0.0",
            ["port"] = EnvironmentSpec.JupyterPort,
            ["port_retries"] = 0,
            ["open_browser"] = false,
            [isServer ? "root_dir" : "notebook_dir"] = EnvironmentFolders.Home,
            ["allow_remote_access"] = true,
            ["trust_xheaders"] = true,
            ["allow_origin"] = "",
            ["quit_button"] = false,
        };
        var root = new JsonObject { [section] = server };
        if (isServer)
        {
            root["IdentityProvider"] = new JsonObject { ["token"] = token };
            var passwords = new JsonObject { ["allow_password_change"] = false };
            if (password is not null)
            {
                passwords["hashed_password"] = Hash(token, password);
                passwords["password_required"] = true;
            }
            root["PasswordIdentityProvider"] = passwords;
            // Asks the internet otherwise, which the lab may not have
            root["LabApp"] = new JsonObject
            {
                ["news_url"] = null,
                ["check_for_updates_class"] = "jupyterlab.NeverCheckForUpdate",
            };
        }
        else
        {
            server["token"] = token;
            server["password"] = password is null ? "" : Hash(token, password);
        }
        return root.ToJsonString();
    }

    /// <summary>`algorithm:salt:digest` over password and salt, the form that Jupyter takes with any algorithm of Python's hashlib.</summary>
    /// <param name="token">random, and the environment's own: the salt follows from it</param>
    private static string Hash(string token, string password)
    {
        var salt = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"salt/{token}")))[..32];
        return $"sha512:{salt}:{Convert.ToHexStringLower(SHA512.HashData(Encoding.UTF8.GetBytes(password + salt)))}";
    }

    private static readonly string Sshd = string.Create(
        CultureInfo.InvariantCulture,
        $"""
        # Written by the console at each start
        Port {EnvironmentSpec.SshPort}
        HostKey {EnvironmentFolders.Own}/ssh_host_ed25519_key
        AuthorizedKeysFile {AuthorizedKeys}
        PidFile none
        UsePAM no
        StrictModes no
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        PermitRootLogin no
        PrintMotd no
        AllowTcpForwarding yes
        ClientAliveInterval 30
        Subsystem sftp internal-sftp

        """
    );

    private static string Script(EnvironmentSpec e, long workloadId)
    {
        var script = new StringBuilder(
            $"""
            #!/bin/sh
            # Written by the console at each start
            set -u
            own={EnvironmentFolders.Own}
            say() {'{'} echo "deeplab: $*" >&2; {'}'}
            find_program() {'{'}
                for program; do command -v "$program" && return; done
                return 1
            {'}'}
            PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
            export PATH
            [ -x /bin/bash ] && SHELL=/bin/bash && export SHELL

            """
        );
        if (e.IsBoard)
        {
            return script.Append(Board(workloadId)).ToString();
        }
        script.Append(e.Jupyter ? JupyterFound : "").Append(e.Ssh ? SshFound : "");
        if (e.TensorBoard)
        {
            script.Append(
                CultureInfo.InvariantCulture,
                $"""
                if board=$(find_program tensorboard); then
                    mkdir -p "$DEEPLAB_LOG_DIR"
                    "$board" --logdir "$DEEPLAB_LOG_DIR" --host 0.0.0.0 --port {EnvironmentSpec.TensorBoardPort} --path_prefix {Endpoint.PathOf(
                    workloadId,
                    Endpoint.TensorBoard
                ).TrimEnd('/')} &
                else
                    say 'this image has no TensorBoard; the console draws the curves of event files by itself'
                fi

                """
            );
        }
        script.Append(
            (e.Jupyter, e.Ssh) switch
            {
                (true, true) => "\"$sshd\" -D -e -f \"$config\" &\n" + JupyterRun,
                (true, false) => JupyterRun,
                _ => "exec \"$sshd\" -D -e -f \"$config\"\n",
            }
        );
        return script.ToString();
    }

    private static string Board(long workloadId) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"""
            board=$(find_program tensorboard) || {'{'}
                say 'this image has no tensorboard'
                exit {NoTensorBoard}
            {'}'}
            exec "$board" --logdir {EnvironmentSpec.BoardFolder} --host 0.0.0.0 --port {EnvironmentSpec.TensorBoardPort} --path_prefix {Endpoint.PathOf(
                workloadId,
                Endpoint.TensorBoard
            ).TrimEnd('/')}

            """
        );

    private static readonly string JupyterFound = $"""
        jupyter=$(find_program jupyter-lab jupyter-notebook) || {'{'}
            say 'this image has neither jupyter-lab nor jupyter-notebook; choose an image that has one'
            exit {NoJupyter}
        {'}'}

        """;

    private const string JupyterRun = """
        JUPYTER_CONFIG_PATH=$own/jupyter
        export JUPYTER_CONFIG_PATH
        exec "$jupyter"

        """;

    /// <summary>
    /// The key is made once and stays with the home, so that the environment is the same machine to its users for ever.
    /// </summary>
    private static readonly string SshFound = $$"""
        sshd=$(find_program sshd) || {
            say 'this image has no sshd; choose an image that has one'
            exit {{NoSshServer}}
        }
        umask 077
        [ -s "$own/ssh_host_ed25519_key" ] || ssh-keygen -q -t ed25519 -N '' -C '' -f "$own/ssh_host_ed25519_key" < /dev/null
        {{SshSession.WriteConfig}}

        """;
}
