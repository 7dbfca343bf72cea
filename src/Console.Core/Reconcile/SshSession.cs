namespace DeepLab.Core.Reconcile;

/// <summary>A session over SSH does not inherit the container's variables: a server's configuration tells it them.</summary>
internal static class SshSession
{
    /// <summary>
    /// Of a script: from `$own/sshd_config` and the environment to the file that `$config` names from then on. Where `$sshd`
    /// does not take one of the variables, it is the plain one.
    /// </summary>
    public const string WriteConfig = """
        umask 077
        config=$own/sshd_config.full
        {
            cat "$own/sshd_config"
            printf SetEnv
            env | grep -E '^[A-Za-z_][A-Za-z0-9_]*=' \
                | grep -vE '^(HOME|PWD|OLDPWD|SHLVL|_|USER|LOGNAME|SHELL|TERM|HOSTNAME)=' \
                | sed 's/\\/\\\\/g; s/"/\\"/g; s/^\([^=]*\)=\(.*\)$/ "\1=\2"/' | tr -d '\n'
            echo
        } > "$config"
        if ! "$sshd" -t -f "$config"; then
            say 'sessions over SSH do not have the variables of the container: sshd does not take one of them'
            config=$own/sshd_config
        fi
        umask 022
        """;
}
